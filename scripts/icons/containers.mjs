// The two files that hold one icon in many sizes: ICO for Windows, ICNS for macOS.

/** Tauri reads the first image for the window's icon, so the caller's order is kept. */
export function ico(images) {
  const bodies = images.map((image) => (image.width < 256 ? bitmap(image) : image.png));
  const header = Buffer.alloc(6 + 16 * images.length);
  header.writeUInt16LE(1, 2);
  header.writeUInt16LE(images.length, 4);
  let offset = header.length;
  images.forEach(({ width }, index) => {
    const at = 6 + 16 * index;
    header.writeUInt8(width % 256, at);
    header.writeUInt8(width % 256, at + 1);
    header.writeUInt16LE(1, at + 4);
    header.writeUInt16LE(32, at + 6);
    header.writeUInt32LE(bodies[index].length, at + 8);
    header.writeUInt32LE(offset, at + 12);
    offset += bodies[index].length;
  });
  return Buffer.concat([header, ...bodies]);
}

/** Windows' resource compilers take PNG only for the size 256: a bitmap from the bottom up, and a mask. */
function bitmap({ width, rgba }) {
  const header = Buffer.alloc(40);
  header.writeUInt32LE(40, 0);
  header.writeInt32LE(width, 4);
  header.writeInt32LE(2 * width, 8);
  header.writeUInt16LE(1, 12);
  header.writeUInt16LE(32, 14);
  const pixels = Buffer.alloc(4 * width * width);
  for (let y = 0; y < width; y++) {
    for (let x = 0; x < width; x++) {
      const from = 4 * (y * width + x);
      const [red, green, blue, alpha] = rgba.subarray(from, from + 4);
      pixels.set([blue, green, red, alpha], 4 * ((width - 1 - y) * width + x));
    }
  }
  const mask = Buffer.alloc(4 * Math.ceil(width / 32) * width);
  return Buffer.concat([header, pixels, mask]);
}

const icnsTypes = [
  ["ic11", 32],
  ["ic12", 64],
  ["ic07", 128],
  ["ic13", 256],
  ["ic08", 256],
  ["ic14", 512],
  ["ic09", 512],
  ["ic10", 1024],
];

/** Takes `imageOf(width)`; a size that is two types' (256, and 128 at 2x) is in it twice. */
export function icns(imageOf) {
  const entries = icnsTypes.map(([type, width]) => entry(type, imageOf(width).png));
  return entry("icns", Buffer.concat(entries));
}

function entry(type, body) {
  const header = Buffer.alloc(8);
  header.write(type, "latin1");
  header.writeUInt32BE(8 + body.length, 4);
  return Buffer.concat([header, body]);
}
