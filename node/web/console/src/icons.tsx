// Icons, drawn here so that nothing is loaded: 24 by 24, lines of the text's colour. Labels say what they mean.

const PATHS = {
  map: 'M12 4a2 2 0 1 0 0 4 2 2 0 0 0 0-4ZM5 16a2 2 0 1 0 0 4 2 2 0 0 0 0-4Zm14 0a2 2 0 1 0 0 4 2 2 0 0 0 0-4Z'
    + 'M11 7.800 6.200 16M13 7.800 17.800 16M7.200 18h9.600',
  rooms: 'M4 5h7v6H4ZM13 5h7v6h-7ZM4 13h7v6H4ZM13 13h7v6h-7Z',
  events: 'M4 6h2M4 12h2M4 18h2M9 6h11M9 12h11M9 18h7',
  charts: 'M4 4v16h16M7 15l4-5 3 3 5-7',
  camera: 'M5.500 6h7A2.500 2.500 0 0 1 15 8.500v7a2.500 2.500 0 0 1-2.500 2.500h-7A2.500 2.500 0 0 1 3 15.500v-7'
    + 'A2.500 2.500 0 0 1 5.500 6ZM15 10.500l6-3v9l-6-3',
  mic: 'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM5 11a7 7 0 0 0 14 0M12 18v3',
  screen: 'M5 4h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2ZM8 20h8M12 16v4',
  data: 'M8 6 3 12l5 6M16 6l5 6-5 6M13.500 5l-3 14',
  copy: 'M9 9h10v11H9ZM5 15V4h10',
  out: 'M10 5H5v14h5M14 8l4 4-4 4M18 12H9',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width={size} height={size} aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
