// Icons, drawn here so that nothing is loaded. 24 by 24, lines of the text's colour.

const PATHS = {
  mic: '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5 11a7 7 0 0 0 14 0M12 18v3"/>',
  micOff:
    '<path d="M15 9.5V6a3 3 0 0 0-5.9-.8M9 9v2a3 3 0 0 0 4.6 2.5M5 11a7 7 0 0 0 11.5 5.4M19 11'
    + 'a7 7 0 0 1-.5 2.6M12 18v3M3 3l18 18"/>',
  camera: '<rect x="3" y="6" width="12" height="12" rx="2.5"/><path d="m15 10.5 6-3v9l-6-3"/>',
  cameraOff:
    '<path d="M10 6h2.5A2.5 2.5 0 0 1 15 8.500V11l6-3.500v9l-2-1M15 15.500A2.500 2.500 0 0 1 12.500 18'
    + 'h-7A2.500 2.500 0 0 1 3 15.500v-7c0-1.100.7-2 1.700-2.400M3 3l18 18"/>',
  screen: '<rect x="3" y="4" width="18" height="12" rx="2"/><path d="M8 20h8M12 16v4M12 13V8'
    + 'm-2.500 2L12 7.500 14.500 10"/>',
  chat: '<path d="M5 4.500h14A2.500 2.500 0 0 1 21.500 7v7.500A2.500 2.500 0 0 1 19 17h-7l-5 4v-4H5a2.500 2.500 0 0 1-2.500-2.500V7'
    + 'A2.500 2.500 0 0 1 5 4.500Z"/>',
  leave: '<path d="M4 14.500c-1-1-1.300-2.400-.4-3.400C5.600 8.900 8.600 8 12 8s6.400.9 8.400 3.100c.9 1 .6 2.400-.4 '
    + '3.400-.6.6-1.500.7-2.200.3L15.500 13.500a1.500 1.500 0 0 1-.8-1.300V11a11 11 0 0 0-5.400 0v1.200c0 .5-.3 '
    + '1-.8 1.300l-2.300 1.300c-.7.4-1.600.3-2.200-.3Z"/>',
  settings: '<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2"/><circle cx="9" cy="17" r="2"/>',
  enlarge: '<path d="M14 4h6v6M10 20H4v-6M20 4l-7 7M4 20l7-7"/>',
  nodes: '<circle cx="12" cy="5" r="2.500"/><circle cx="5" cy="18" r="2.500"/><circle cx="19" cy="18" '
    + 'r="2.500"/><path d="m10.800 7.200-4.600 8.600M13.200 7.200l4.600 8.600M7.500 18h9"/>',
};

/** Names of the icons. */
export type Icon = keyof typeof PATHS;

/** An icon as markup; it says nothing to screen readers, the button's label does. */
export function icon(name: Icon, size = 22): string {
  return `<svg viewBox="0 0 24 24" width="${size}" height="${size}" fill="none" stroke="currentColor" `
    + 'stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">'
    + `${PATHS[name]}</svg>`;
}
