// The address that logs in once is sent by a form of this very page: the cookie it brings is one that other sites' links
// never carry, and what merely looks at an address (a preview of a link) does not use it up.
const once = document.querySelector("form[data-once]");
if (once) once.requestSubmit();

// Who comes by a link from another site is logged in all the same; only this first request did not say so.
const form = document.querySelector("form[data-back]");
if (form) {
  fetch("/login/known", { credentials: "same-origin" }).then(async (answer) => {
    if (answer.ok && (await answer.json()).known) location.replace(form.dataset.back);
  }, () => {});
}
