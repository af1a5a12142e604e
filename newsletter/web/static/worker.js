// Does the work of a form, away from the page: finds a number for which SHA-256("task:number")
// begins with so many zero bits. newsletter/subscribers/work.py checks it.
// (crypto.subtle is not there on plain http, and would be slower: one promise for each try.)

const K = new Uint32Array(64);
const START = new Uint32Array(8);

// FIPS 180-4, 4.2.2 and 5.3.3: 32 bits of the fractions of cube and square roots of primes.
for (let found = 0, n = 2; found < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
  if (!prime) continue;
  if (found < 8) START[found] = (Math.sqrt(n) % 1) * 0x100000000;
  K[found++] = (Math.cbrt(n) % 1) * 0x100000000;
}

const w = new Int32Array(64);

// One block of 64 octets, at `at` of `bytes`; `state` is changed.
function compress(state, bytes, at) {
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15], y = w[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3];
  let e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0;
    d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

// The last block or two (5.1.1): what is left of the task, room for so many digits, and padding.
function padded(rest, digits, length) {
  const octets = rest.length + digits;
  const block = new Uint8Array(Math.ceil((octets + 9) / 64) * 64);
  block.set(rest);
  block[octets] = 0x80;
  new DataView(block.buffer).setUint32(block.length - 4, (length + digits) * 8);
  return block;
}

function zeros(state) {
  return state[0] ? Math.clz32(state[0]) : 32 + Math.clz32(state[1]);
}

function solve(task, bits) {
  const bytes = new TextEncoder().encode(task + ":");
  const whole = bytes.length - (bytes.length % 64);
  const begun = START.slice(), state = new Uint32Array(8);
  for (let at = 0; at < whole; at += 64) compress(begun, bytes, at);
  const rest = bytes.subarray(whole);
  for (let number = 0, digits = 0, last; ; number++) {
    const text = String(number);
    if (text.length !== digits) last = padded(rest, digits = text.length, bytes.length);
    for (let i = 0; i < digits; i++) last[rest.length + i] = text.charCodeAt(i);
    state.set(begun);
    for (let at = 0; at < last.length; at += 64) compress(state, last, at);
    if (zeros(state) >= bits) return text;
  }
}

onmessage = ({ data }) => postMessage(solve(data.task, data.bits));
