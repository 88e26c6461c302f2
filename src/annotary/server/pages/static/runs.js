// The page of a model run: a threshold that is moved says its number, and is asked for when it is let go.

for (const form of document.querySelectorAll("[data-thresholds]")) {
  form.addEventListener("input", ({ target }) => {
    const said = target.parentElement.querySelector("output");
    if (said) said.value = Number(target.value).toFixed(2);
  });
  let waiting;
  form.addEventListener("change", () => {
    // By keys the threshold moves step by step.
    clearTimeout(waiting);
    waiting = setTimeout(() => form.requestSubmit(), 500);
  });
}
