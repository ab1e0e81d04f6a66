// The number of what waits, on the icon of the tab.
const link = document.querySelector('link[rel="icon"]');
const plain = link.href;
const SIZE = 64;
const picture = new Image();
picture.src = plain;

let shown = 0;
let address = null;

export async function showInIcon(count) {
  if (count === shown) return;
  shown = count;
  const made = count ? await drawn(count) : plain;
  if (count !== shown) return;
  if (address) URL.revokeObjectURL(address);
  address = count ? made : null;
  link.type = count ? "image/png" : "image/svg+xml";
  link.href = made;
}

async function drawn(count) {
  await picture.decode().catch(() => null);
  const canvas = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
  const pen = canvas.getContext("2d");
  if (picture.naturalWidth) pen.drawImage(picture, 0, 0, SIZE, SIZE);
  pen.fillStyle = "#c0262d";
  pen.beginPath();
  pen.roundRect?.(count > 9 ? 14 : 24, 20, count > 9 ? 50 : 40, 44, 22);
  pen.fill();
  pen.fillStyle = "#fff";
  pen.font = "bold 36px sans-serif";
  pen.textAlign = "center";
  pen.fillText(count > 9 ? "9+" : count, count > 9 ? 39 : 44, 55);
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ? URL.createObjectURL(blob) : plain)));
}
