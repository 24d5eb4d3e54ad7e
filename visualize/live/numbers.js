// Numbers: how they come into the page, and how they are written.

const kinds = {float32: Float32Array, bool: Uint8Array};

// An array of the page's data as a typed array.
function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed.bytes === undefined ? packed.floats : packed.bytes), (c) =>
    c.charCodeAt(0),
  );
  const array =
    packed.bytes === undefined ? new Float64Array(bytes.buffer) : Float64Array.from(bytes, (x) => x / packed.divisor);
  return packed.kind ? new kinds[packed.kind](array) : array;
}

// As Python writes it with f"{x:.4g}".
function shown(x, digits = 4) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "−inf";
  if (x === 0) return "0";
  const [mantissa, power] = x.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  let text = exponent < -4 || exponent >= digits ? mantissa : x.toFixed(Math.max(0, digits - 1 - exponent));
  if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  if (exponent < -4 || exponent >= digits)
    text += `e${exponent < 0 ? "−" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  return text.replace("-", "−");
}

function read(text) {
  const x = Number(String(text).replace("−", "-").replace(",", "."));
  return String(text).trim() === "" ? NaN : x;
}

function sizeOf(shape) {
  return shape.reduce((a, b) => a * b, 1);
}
function shapeText(shape) {
  return shape.length ? `(${shape.join(", ")}${shape.length === 1 ? "," : ""})` : "one number";
}

// The place of element `flat` of an array, axis by axis, and back.
function placeOf(flat, shape) {
  const place = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    place[axis] = flat % shape[axis];
    flat = Math.floor(flat / shape[axis]);
  }
  return place;
}
function flatOf(place, shape) {
  return place.reduce((flat, i, axis) => flat * shape[axis] + i, 0);
}

function rangeOf(data) {
  let low = Infinity,
    high = -Infinity;
  for (const x of data)
    if (Number.isFinite(x)) {
      if (x < low) low = x;
      if (x > high) high = x;
    }
  return low > high ? [0, 0] : [low, high];
}

// Random numbers as numpy.random.RandomState gives them, so that a seed means the same here and in Python.
function randomState(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i += 1) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  let at = 624,
    spare = null;
  function word() {
    if (at === 624) {
      for (let i = 0; i < 624; i += 1) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at];
    at += 1;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }
  function uniform() {
    return ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
  }
  function normal() {
    if (spare !== null) {
      const x = spare;
      spare = null;
      return x;
    }
    let a, b, r;
    do {
      a = 2 * uniform() - 1;
      b = 2 * uniform() - 1;
      r = a * a + b * b;
    } while (r >= 1 || r === 0);
    const f = Math.sqrt((-2 * Math.log(r)) / r);
    spare = f * a;
    return f * b;
  }
  function shuffled(n) {
    // as `permutation` does it
    const order = Array.from({length: n}, (_, i) => i);
    for (let i = n - 1; i > 0; i -= 1) {
      let mask = i,
        j;
      for (const bits of [1, 2, 4, 8, 16]) mask |= mask >> bits;
      do j = word() & mask;
      while (j > i);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
  return {uniform, normal, shuffled};
}
