/** Pictures to uint8 [1, H, W, 3], as tlzoo's Python does: upright, RGB on white, resized, cut from the centre. */

import { resize } from "./resample-image.js";
import { roundHalfToEven } from "./rounding.js";

const MOST_PIXELS = 89_000_000;

/**
 * @param {object} manifest the model's manifest
 * @returns {(picture: Blob | {width: number, height: number, data: Uint8Array}) => Promise<object>} what turns a
 *   picture file, or its RGB pixels, into the model's inputs
 */
export function makePreprocessor(manifest) {
  return async (picture) => {
    const pixels = picture instanceof Blob ? await decode(picture, manifest.preprocess.value_range) : picture;
    const { width, height, data } = manifest.raw_input ? pixels : fit(pixels, manifest.preprocess);
    return { image: { type: "uint8", data, dims: [1, height, width, 3] } };
  };
}

const PNG_BITS = 24;
const PNG_COLOURS = 25;

/** Whether a file is a PNG of 16 bits per channel, of which a browser hands out 8, and whether it is grey. */
async function deepPng(file) {
  const head = new Uint8Array(await file.slice(0, PNG_COLOURS + 1).arrayBuffer());
  const deep = head[0] === 0x89 && head[1] === 0x50 && head[PNG_BITS] === 16;
  return { deep, grey: deep && (head[PNG_COLOURS] === 0 || head[PNG_COLOURS] === 4) };
}

/**
 * The pixels of a picture file, RGB, turned as its EXIF says, transparency laid on white, colour profile ignored.
 * `range` has the values of black and white in grey pictures of more than 8 bits, which are refused then.
 */
async function decode(file, range) {
  const { deep, grey } = await deepPng(file);
  if (grey && range) throw new Error("This picture has 16 bits, of which a browser reads only 8. Use tlzoo predict.");
  const bitmap = await createImageBitmap(file, {
    imageOrientation: "from-image",
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  }).catch(() => {
    throw new Error("This picture cannot be read. Pictures in PNG, JPEG, WebP, GIF, BMP or AVIF can.");
  });
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) throw new Error("This picture has more than 89 million pixels. Scale it first.");
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const data = withoutAlpha(context.getImageData(0, 0, width, height).data);
  const largest = deep ? data.reduce((one, other) => Math.max(one, other), 0) : 0;
  if (largest > 0 && largest < 16) throw new Error("This picture has 16 bits and uses 12 or fewer. Spread its values.");
  return { width, height, data };
}

function withoutAlpha(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from];
    rgb[to + 1] = rgba[from + 1];
    rgb[to + 2] = rgba[from + 2];
  }
  return rgb;
}

/**
 * Resize the shorter side to floor(size / crop), keeping proportions, and cut `size` from the centre.
 * @param {{width: number, height: number, data: Uint8Array}} picture RGB
 * @param {{size: [number, number], crop: number, interpolation: string}} spec the manifest's `preprocess`
 */
export function fit(picture, { size: [height, width], crop, interpolation }) {
  const [toWidth, toHeight] = covering(picture, Math.floor(width / crop), Math.floor(height / crop));
  const same = toWidth === picture.width && toHeight === picture.height;
  const resized = same ? picture : resize(picture, toWidth, toHeight, interpolation);
  const left = roundHalfToEven((toWidth - width) / 2);
  const top = roundHalfToEven((toHeight - height) / 2);
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const start = ((top + row) * toWidth + left) * 3;
    data.set(resized.data.subarray(start, start + width * 3), row * width * 3);
  }
  return { width, height, data };
}

/** Width and height that just cover the target, rounded as torchvision does for squares and timm for the rest. */
function covering({ width, height }, toWidth, toHeight) {
  if (toWidth !== toHeight) {
    const ratio = Math.min(width / toWidth, height / toHeight);
    return [roundHalfToEven(width / ratio), roundHalfToEven(height / ratio)];
  }
  return width <= height
    ? [toWidth, Math.trunc((toWidth * height) / width)]
    : [Math.trunc((toWidth * width) / height), toWidth];
}
