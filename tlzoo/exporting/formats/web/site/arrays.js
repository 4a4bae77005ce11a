/** The page of a task that brings none of its own: the model's outputs by name. */

export const question = (manifest, thing) => `What does the model make of this ${thing}?`;

export function decode(manifest, outputs) {
  const named = Object.entries(outputs).map(([name, { data, dims }]) => [name, nested([...data].map(Number), dims.slice(1))]);
  return { outputs: Object.fromEntries(named) };
}

function nested(values, dims) {
  if (dims.length < 2) return dims.length ? values : values[0];
  const size = values.length / dims[0];
  return Array.from({ length: dims[0] }, (_, at) => nested(values.slice(at * size, (at + 1) * size), dims.slice(1)));
}

export function sentence({ outputs }) {
  const shown = ([name, value]) => `${name}: ${JSON.stringify(value, (_, each) => (typeof each === "number" ? +each.toPrecision(4) : each))}`;
  return Object.entries(outputs).map(shown).join("\n").slice(0, 2000);
}

export const quality = () => null;
