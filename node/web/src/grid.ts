// How large the pictures are. Pure.

/** Cameras give pictures of this shape. */
const WIDE = 16 / 9;
/** On a phone that is held upright they may be cut to so little of it. */
const UPRIGHT = 4 / 5;
/** A face in a narrower picture is no face; from here on the page scrolls. */
const LEAST = 150;

export interface Sizes {
  columns: number;
  across: number;
  down: number;
}

/** As many columns as make `count` pictures largest in the room there is. */
export function grid(count: number, width: number, height: number, gap: number): Sizes {
  const upright = height > width;
  let best: Sizes = { columns: 1, across: 0, down: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const tall = (height - gap * (rows - 1)) / rows;
    const across = Math.min((width - gap * (columns - 1)) / columns, tall * WIDE);
    const down = upright ? Math.min(tall, across / UPRIGHT) : across / WIDE;
    if (across * down > best.across * best.down) best = { columns, across, down };
  }
  if (best.across >= Math.min(LEAST, width)) return floored(best);
  const columns = Math.max(1, Math.floor((width + gap) / (LEAST + gap)));
  const across = (width - gap * (columns - 1)) / columns;
  return floored({ columns, across, down: across / (upright ? 1 : WIDE) });
}

function floored({ columns, across, down }: Sizes): Sizes {
  return { columns, across: Math.floor(across), down: Math.floor(down) };
}
