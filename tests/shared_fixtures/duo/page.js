/** A sign and a size. */

export const question = (manifest, thing) => `Which sign has this ${thing}?`;

export function decode({ labels }, outputs) {
  const [minus, plus] = outputs.sign.data;
  return { sign: labels[plus > minus ? 1 : 0], size: outputs.size.data[0] };
}

export const sentence = ({ sign, size }) => `${sign} ${size.toFixed(2)}`;

export const quality = ({ accuracy }) => accuracy !== undefined && ["Accuracy", accuracy.toFixed(2)];
