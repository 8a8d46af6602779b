// Waiting with an end.

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks `fits` every 100 ms until it answers something true; fails after `within` ms. */
export async function until(what, within, fits) {
  const end = performance.now() + within;
  let last;
  for (;;) {
    try {
      last = await fits();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      const seen = last instanceof Error ? `: ${last.message}` : '';
      throw new Error(`not within ${(within / 1000).toFixed(0)} s: ${what}${seen}`);
    }
    await sleep(100);
  }
}

/** Fails if `promise` takes longer than `within` ms. */
export function bounded(what, within, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took over ${within / 1000} s`)), within);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
