// Cameras that are pleasant to look at, for pictures in the docs: somebody drawn, before a window, who moves a little.

/** Runs in the page before its own scripts: its camera is a canvas. */
export function portrait(peer) {
  const people = {
    ada: { wall: ['#22485e', '#0d2233'], light: '#ffd9a0', skin: '#e8b796', hair: '#3b2417', wear: '#b8433c' },
    grace: { wall: ['#5b4a7d', '#241c3d'], light: '#b7d3ff', skin: '#f0c7a6', hair: '#8a8d96', wear: '#20344f' },
    alan: { wall: ['#2e5b4b', '#10281f'], light: '#ffe9b8', skin: '#d9a27c', hair: '#1d1512', wear: '#d7a13a' },
    mary: { wall: ['#7a4e3c', '#321d15'], light: '#ffe2cf', skin: '#8d5a3d', hair: '#15100e', wear: '#3f7f86' },
  };
  const who = people[peer] ?? people.ada;
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [640, 360];
  const c = canvas.getContext('2d');
  const spots = Array.from({ length: 14 }, (_, n) => ({
    x: (n * 173 + peer.length * 91) % 640, y: (n * 97) % 230, r: 12 + ((n * 31) % 34), phase: n,
  }));

  function room(at) {
    const wall = c.createLinearGradient(0, 0, 640, 360);
    wall.addColorStop(0, who.wall[0]);
    wall.addColorStop(1, who.wall[1]);
    c.fillStyle = wall;
    c.fillRect(0, 0, 640, 360);
    for (const { x, y, r, phase } of spots) {
      c.globalAlpha = 0.1 + 0.06 * Math.sin(at / 1300 + phase);
      c.fillStyle = who.light;
      c.beginPath();
      c.arc(x + 6 * Math.sin(at / 4000 + phase), y, r, 0, 7);
      c.fill();
    }
    c.globalAlpha = 1;
  }

  function ellipse(x, y, across, down, fill) {
    c.fillStyle = fill;
    c.beginPath();
    c.ellipse(x, y, across, down, 0, 0, 7);
    c.fill();
  }

  function body(at) {
    const [sway, nod] = [7 * Math.sin(at / 1700 + peer.length), 3 * Math.sin(at / 900)];
    const [x, y] = [320 + sway, 168 + nod];
    if (peer === 'ada' || peer === 'mary') ellipse(x, y + 26, 80, 104, who.hair);
    ellipse(320 + sway * 0.4, 398, 168, 128, who.wear);
    c.fillStyle = who.skin;
    c.fillRect(x - 25, y + 50, 50, 62);
    ellipse(320 + sway * 0.5, y + 112, 44, 22, who.skin);
    ellipse(x, y, 61, 77, who.skin);
    // Hair over the forehead.
    c.save();
    c.beginPath();
    c.rect(x - 90, y - 110, 180, 82);
    c.clip();
    ellipse(x, y - 12, 67, 80, who.hair);
    c.restore();
    ellipse(x + 4, y + 14, 55, 60, who.skin);
    const blink = at % 3700 < 140 ? 1 : 6;
    for (const side of [-1, 1]) ellipse(x + side * 23 + sway * 0.3, y + 2, 5, blink, '#1b1512');
    c.strokeStyle = '#5b2d22';
    c.lineWidth = 4;
    c.lineCap = 'round';
    c.beginPath();
    c.arc(x + sway * 0.3, y + 22, 24, 0.5, Math.PI - 0.5);
    c.stroke();
  }

  const draw = () => {
    const at = performance.now();
    room(at);
    body(at);
  };
  draw();
  setInterval(draw, 80);
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wish) => (wish.video ? Promise.resolve(canvas.captureStream(12)) : real(wish));
}
