// What the generated steps call. Matrices lie in typed arrays, row by row or as offset and strides say.

// out (n, p) = a b: element (i, l) of a is a[a0 + i * ai + l * al], element (l, j) of b is b[b0 + l * bl + j * bj].
function product(out, n, inner, p, a, a0, ai, al, b, b0, bl, bj) {
  if (bl === 1 && bj !== 1) return productOfRows(out, n, inner, p, a, a0, ai, al, b, b0, bj);
  let i = 0;
  if (bj === 1) for (; i + 1 < n; i += 2) twoRowsOfProduct(out, i * p, inner, p, a, a0 + i * ai, ai, al, b, b0, bl);
  for (; i < n; i += 1) {
    for (let j = i * p; j < i * p + p; j += 1) out[j] = 0;
    for (let l = 0; l < inner; l += 1) {
      const w = a[a0 + i * ai + l * al];
      let at = b0 + l * bl;
      for (let j = i * p; j < i * p + p; j += 1) { out[j] += w * b[at]; at += bj; }
    }
  }
}

// Two rows of out from two of a, where the columns of b lie side by side: four rows of b at a time, so that out is read
// and written a quarter, and b half, as often.
function twoRowsOfProduct(out, row, inner, p, a, a0, ai, al, b, b0, bl) {
  for (let j = row; j < row + 2 * p; j += 1) out[j] = 0;
  let l = 0;
  for (; l + 3 < inner; l += 4) {
    const at = a0 + l * al, next = at + ai, at0 = b0 + l * bl, at1 = at0 + bl, at2 = at1 + bl, at3 = at2 + bl;
    const w0 = a[at], w1 = a[at + al], w2 = a[at + 2 * al], w3 = a[at + 3 * al];
    const v0 = a[next], v1 = a[next + al], v2 = a[next + 2 * al], v3 = a[next + 3 * al];
    for (let j = 0; j < p; j += 1) {
      const x0 = b[at0 + j], x1 = b[at1 + j], x2 = b[at2 + j], x3 = b[at3 + j];
      out[row + j] += w0 * x0 + w1 * x1 + w2 * x2 + w3 * x3;
      out[row + p + j] += v0 * x0 + v1 * x1 + v2 * x2 + v3 * x3;
    }
  }
  for (; l < inner; l += 1) {
    const w = a[a0 + l * al], v = a[a0 + l * al + ai], at = b0 + l * bl;
    for (let j = 0; j < p; j += 1) { out[row + j] += w * b[at + j]; out[row + p + j] += v * b[at + j]; }
  }
}

// The same where the columns of b lie row by row: sums that run through both, four columns at a time.
function productOfRows(out, n, inner, p, a, a0, ai, al, b, b0, bj) {
  for (let i = 0; i < n; i += 1) {
    const row = a0 + i * ai;
    let j = 0;
    for (; j + 3 < p; j += 4) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, at = row, at0 = b0 + j * bj;
      const at1 = bj, at2 = 2 * bj, at3 = 3 * bj;
      for (let l = 0; l < inner; l += 1) {
        const w = a[at];
        s0 += w * b[at0]; s1 += w * b[at0 + at1]; s2 += w * b[at0 + at2]; s3 += w * b[at0 + at3];
        at += al; at0 += 1;
      }
      const to = i * p + j;
      out[to] = s0; out[to + 1] = s1; out[to + 2] = s2; out[to + 3] = s3;
    }
    for (; j < p; j += 1) {
      let s = 0, at = row;
      const from = b0 + j * bj;
      for (let l = 0; l < inner; l += 1) { s += a[at] * b[from + l]; at += al; }
      out[i * p + j] = s;
    }
  }
}

function square(x) { return x * x; }
function copysign(x, sign) { return sign < 0 || Object.is(sign, -0) ? -Math.abs(x) : Math.abs(x); }
function sign(x) { return x > 0 ? 1 : x < 0 ? -1 : x === 0 ? 0 : NaN; }  // of -0 it is 0
function signbit(x) { return x < 0 || Object.is(x, -0); }

// As C and NumPy have it: 1 to any power is 1, and so is -1 to an infinite one.
function power(x, p) { return x === 1 || x === -1 && Math.abs(p) === Infinity ? 1 : Math.pow(x, p); }

// log(e^x + e^y) without overflow.
function logaddexp(x, y) {
  if (x === y) return x + Math.LN2;
  const distance = x - y;
  if (distance > 0) return x + Math.log1p(Math.exp(-distance));
  return distance <= 0 ? y + Math.log1p(Math.exp(distance)) : distance;
}

// To the next whole number; halves to the even one.
function rint(x) {
  const rest = x - Math.floor(x);
  const near = rest === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);
  return near === 0 ? copysign(near, x) : near;
}
