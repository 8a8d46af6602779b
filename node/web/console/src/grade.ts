// How good is good. Pure.

export type Grade = 'good' | 'fair' | 'poor';

/** Loss that repair hides, and loss that people see: docs/links.md has what it costs. */
const LOSS = { fair: 0.005, poor: 0.02 };
/** ITU-T G.114: people notice more than 150 ms one way. A link is a part of the way, and this is there and back. */
const RTT = { fair: 150, poor: 300 };

/** Of a link or of what somebody receives. */
export function grade(loss: number | null, rttMs: number): Grade {
  const lost = loss ?? 0;
  if (lost >= LOSS.poor || rttMs >= RTT.poor) return 'poor';
  return lost >= LOSS.fair || rttMs >= RTT.fair ? 'fair' : 'good';
}

/** Of a load, 0 to 1: above 0.8 no room is drawn to a node, above 0.95 it keeps nobody who could go elsewhere
 *  (`cluster/src/decide/placement/score.rs`). */
export function gradeLoad(share: number): Grade {
  return share >= 0.95 ? 'poor' : share >= 0.8 ? 'fair' : 'good';
}

/** Of mediasoup's score, 0 to 10. */
export function gradeScore(score: number): Grade {
  return score >= 8 ? 'good' : score >= 5 ? 'fair' : 'poor';
}

/** The worse one. */
export function worse(a: Grade, b: Grade): Grade {
  const order: Grade[] = ['good', 'fair', 'poor'];
  return order[Math.max(order.indexOf(a), order.indexOf(b))]!;
}
