// An archive of files, so that a folder can be sent as one: members are stored, not compressed. The archive is a Blob of
// the files themselves, so that their bytes are read once for their check sums and never held.

const MEMBERS = 65535;
const BYTES = 0xffffffff;
const table = Uint32Array.from({ length: 256 }, (_, at) => {
  for (let bit = 0; bit < 8; bit++) at = at & 1 ? (at >>> 1) ^ 0xedb88320 : at >>> 1;
  return at >>> 0;
});

async function checksum(file, signal) {
  let sum = 0xffffffff;
  const reader = file.stream().getReader();
  for (;;) {
    signal?.throwIfAborted();
    const { done, value } = await reader.read();
    if (done) return (sum ^ 0xffffffff) >>> 0;
    for (let at = 0; at < value.length; at++) sum = table[(sum ^ value[at]) & 255] ^ (sum >>> 8);
  }
}

/** Numbers of so many bytes, little-endian: `record([4, 0x04034b50], [2, 20])`. */
function record(...fields) {
  const bytes = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
  let at = 0;
  for (const [size, value] of fields) {
    for (let byte = 0; byte < size; byte++) bytes[at++] = Math.floor(value / 256 ** byte) & 255;
  }
  return bytes;
}

/** The archive of `files` ([{ path, file }]); `moved` is told the share that is done. By PKWARE's APPNOTE. */
export async function zipped(files, moved = () => {}, signal = undefined) {
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  if (files.length > MEMBERS || total > BYTES - files.length * 1024) {
    throw new Error("this is more than a browser can put into one archive; use the command line: annotary import FOLDER");
  }
  const parts = [];
  const directory = [];
  let place = 0;
  let done = 0;
  for (const { path, file } of files) {
    const name = new TextEncoder().encode(path);
    const sum = await checksum(file, signal);
    const same = [[2, 0x0800], [2, 0], [2, 0], [2, 33], [4, sum], [4, file.size], [4, file.size], [2, name.length], [2, 0]];
    parts.push(record([4, 0x04034b50], [2, 20], ...same), name, file);
    directory.push(record([4, 0x02014b50], [2, 20], [2, 20], ...same, [2, 0], [2, 0], [2, 0], [4, 0], [4, place]), name);
    place += 30 + name.length + file.size;
    done += file.size;
    moved(total ? done / total : 1);
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, length], [4, place], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
