// The picture that is asked about: dropped, pasted, chosen, or one of the samples.

import { Problem } from "./api.js";

const TAKEN = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff"];

/** A file as {uri, width, height, name}; what servers do not read (SVG, AVIF) is drawn anew. */
export async function read(file, limits) {
  if (!file.type.startsWith("image/")) throw new Problem(`“${file.name}” is no picture.`);
  const uri = await dataUri(file);
  const shown = await decoded(uri, file.name);
  const [width, height] = [shown.naturalWidth || 1024, shown.naturalHeight || 768];
  if (width * height > limits.pixels) {
    const most = `${(limits.pixels / 1e6).toFixed(0)} megapixels`;
    throw new Problem(`“${file.name}” is ${width} × ${height}: larger than the ${most} that this server takes.`);
  }
  const sent = TAKEN.includes(file.type) ? uri : redrawn(shown, width, height);
  if (sent.length > limits.body * 0.9) throw new Problem(`“${file.name}” has more bytes than this server takes.`);
  return { uri: sent, width, height, name: file.name };
}

const dataUri = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Problem(`“${file.name}” cannot be read.`));
    reader.readAsDataURL(file);
  });

async function decoded(uri, name) {
  const image = new Image();
  image.src = uri;
  try {
    await image.decode();
  } catch {
    throw new Problem(`“${name}” cannot be shown: it is broken, or of a format that this browser does not know.`);
  }
  return image;
}

function redrawn(image, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(image, 0, 0, width, height);
  return canvas.toDataURL("image/png");
}

/** Calls `take(file)` for whatever is dropped, pasted or chosen. */
export function listen(drop, input, take) {
  input.addEventListener("change", () => {
    if (input.files[0]) take(input.files[0]);
    input.value = "";
  });
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    take(file);
  });
}
