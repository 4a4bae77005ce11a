/** Image.resize of Pillow 13 for RGB, to the bit: two passes with fixed-point weights, eight bits per channel between. */

const PRECISION = 22; // bits after the point of a weight: 32, less 8 for the pixel and 2 for the sum
const HALF = 2 ** (PRECISION - 1);

const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

const CUBIC = -0.5;

const cubic = (distance) => {
  const x = Math.abs(distance);
  if (x < 1) return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * CUBIC : 0;
};

const FILTERS = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/**
 * Resize a picture as Pillow does.
 * @param {{width: number, height: number, data: Uint8Array}} picture RGB, three bytes per pixel
 * @param {number} width @param {number} height the new size
 * @param {"nearest"|"bilinear"|"bicubic"|"lanczos"} interpolation
 * @returns {{width: number, height: number, data: Uint8Array}}
 */
export function resize(picture, width, height, interpolation) {
  if (interpolation === "nearest") return pick(picture, width, height);
  const filter = FILTERS[interpolation];
  const across = (given) => (given.width === width ? given : squeeze(given, width, filter));
  const down = (given) => (given.height === height ? given : stack(given, height, filter));
  return losesMostlyRows(picture, width, height) ? across(down(picture)) : down(across(picture));
}

/** Where Pillow, since 13, resizes vertically first; the order shows in how values are rounded between the passes. */
function losesMostlyRows(picture, width, height) {
  return picture.height > height && picture.height - height > 2 * (picture.width - width);
}

/** The weights of every output pixel along one axis: where its source pixels begin, how many they are, how they count. */
function weigh(from, to, { support, weight }) {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  const reach = support * stretch;
  const shrink = 1 / stretch;
  return Array.from({ length: to }, (_, at) => {
    const centre = (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(from, Math.trunc(centre + reach + 0.5));
    const raw = Float64Array.from({ length: last - first }, (_, i) => weight((i + first - centre + 0.5) * shrink));
    const sum = raw.reduce((total, each) => total + each, 0);
    return { first, weights: Int32Array.from(raw, (each) => fixed(sum ? each / sum : each)) };
  });
}

const fixed = (weight) => Math.trunc((weight < 0 ? -0.5 : 0.5) + weight * 2 ** PRECISION);

const byte = (sum) => Math.min(255, Math.max(0, sum >> PRECISION));

function squeeze({ width, height, data }, to, filter) {
  const columns = weigh(width, to, filter);
  const out = new Uint8Array(to * height * 3);
  for (let row = 0, put = 0; row < height; row++) {
    for (const { first, weights } of columns) {
      let [red, green, blue] = [HALF, HALF, HALF];
      for (let i = 0, at = (row * width + first) * 3; i < weights.length; i++, at += 3) {
        red += data[at] * weights[i];
        green += data[at + 1] * weights[i];
        blue += data[at + 2] * weights[i];
      }
      out[put++] = byte(red);
      out[put++] = byte(green);
      out[put++] = byte(blue);
    }
  }
  return { width: to, height, data: out };
}

function stack({ width, height, data }, to, filter) {
  const line = width * 3;
  const out = new Uint8Array(line * to);
  weigh(height, to, filter).forEach(({ first, weights }, row) => {
    for (let column = 0; column < line; column++) {
      let sum = HALF;
      for (let i = 0, at = first * line + column; i < weights.length; i++, at += line) sum += data[at] * weights[i];
      out[row * line + column] = byte(sum);
    }
  });
  return { width, height: to, data: out };
}

/** The nearest pixels, found by adding up steps, because Pillow's rounding errors add up the same way. */
function pick({ width, height, data }, toWidth, toHeight) {
  const columns = steps(width, toWidth);
  const out = new Uint8Array(toWidth * toHeight * 3);
  let put = 0;
  for (const row of steps(height, toHeight)) {
    for (const column of columns) {
      const at = (row * width + column) * 3;
      out[put++] = data[at];
      out[put++] = data[at + 1];
      out[put++] = data[at + 2];
    }
  }
  return { width: toWidth, height: toHeight, data: out };
}

function steps(from, to) {
  const step = from / to;
  let position = step * 0.5;
  return Array.from({ length: to }, () => {
    const at = Math.trunc(position);
    position += step;
    return at;
  });
}
