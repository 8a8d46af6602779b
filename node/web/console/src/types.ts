// What the REST API answers, as far as the console reads it. /docs describes all of it.

export interface NodeLoad {
  stress: number;
  peers: number;
  rooms: number;
  consumers: number;
  maxPeers: number;
}

export interface NodeCost {
  cpu: number;
  packetsPerSecond: number;
  bitsPerSecond: number;
  bandwidth: number;
  delayMs: number;
  memory: number;
}

export interface NodeInfo {
  id: string;
  epoch: number;
  region: string;
  zone: string;
  apiUrl: string;
  version: string;
  state: 'up' | 'draining';
  cordoned: boolean;
  load: NodeLoad;
  cost?: NodeCost;
  here: boolean;
  linked: boolean;
  rttMs?: number;
  linkProtocol?: number;
}

export type DrainStage = 'up' | 'cordoned' | 'draining' | 'drained' | 'cut';

export interface DrainInfo {
  node: string;
  stage: DrainStage;
  emergency: boolean;
  total: number;
  moved: number;
  onTheWay: number;
  retried: number;
  left: number;
  elapsedMs: number;
  deadlineMs: number;
}

export interface WorkerInfo {
  index: number;
  dead: boolean;
  cpuSeconds: number;
  busy: number;
  longestTurnMs: number;
  peers: number;
  transports: number;
  producers: number;
  consumers: number;
}

export interface WorkersInfo {
  pid: number;
  resourceUsage: { ru_maxrss: number };
  routerIds: string[];
  workers: WorkerInfo[];
}

export interface LinkInfo {
  from: string;
  to: string;
  protocol: number;
  rttMs: number;
  rttP50Ms: number;
  rttP99Ms: number;
  packetsSent: number;
  bytesSent: number;
  shedVideo: number;
  shedAudio: number;
  shedControl: number;
  quicPacketsLost: number;
}

export interface PipeInfo {
  room: string;
  producer: string;
  kind: 'audio' | 'video';
  from?: string;
  to: string;
  path: string[];
  hops: number;
  used: boolean;
  layers: number[];
  packets: number;
  bitrate: number;
  lost: number;
  repaired: number;
  roundTripMs?: number;
}

export interface Policy {
  pinnedNodes: string[];
  regions: string[];
  mode: 'balance' | 'spread' | 'pack' | 'region';
  maxPeers: number;
  lastN: number;
}

export interface RoomInfo {
  id: string;
  incarnation: number;
  policy: Policy;
  persistent: boolean;
  nodes: string[];
  peers?: number;
  activeSpeaker?: string;
}

export interface ProducerInfo {
  id: string;
  kind: 'audio' | 'video';
  type: string;
  source: string;
  paused: boolean;
  mimeType: string;
}

export interface Muted {
  audio: boolean;
  video: boolean;
}

export interface PeerInfo {
  id: string;
  displayName: string;
  node: string;
  device: unknown;
  lost: boolean;
  /** Nobody in the room is told of it; only its own node lists it. */
  hidden?: boolean;
  /** What an operator has silenced. */
  muted?: Muted;
  producers: ProducerInfo[];
  dataProducers: unknown[];
}

export interface NodeScore {
  node: string;
  region: string;
  peers: number;
  stress: number;
  score?: number;
  terms: { name: string; points: number }[];
  leftOut?: string;
}

export interface Explained {
  node?: string;
  refusal?: string;
  nodes: NodeScore[];
}

/** What one peer gets of another one's producer. */
export interface Cell {
  to: string;
  node: string;
  from: string;
  source: string;
  kind: 'audio' | 'video';
  paused: boolean;
  spatialLayer?: number;
  temporalLayer?: number;
  score: number;
  lost: number;
  bitrate: number;
  rttMs: number;
  addedMs?: number;
}

export interface Matrix {
  room: string;
  cells: Cell[];
  leftOut: number;
  missing: string[];
}
