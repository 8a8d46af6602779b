// What people get. Figures are of nodes: for a room or a peer ask the API.
const of = (name, more = '') => `starling_${name}{job=~"$job", instance=~"$instance"${more}}`;
const rate = (name, more) => `rate(${of(name, more)}[$__rate_interval])`;
const sum = (name, by) => (by ? `sum by (${by}) (${rate(name)})` : `sum(${rate(name)})`);

export const panels = [
  { row: 'Media' },
  { title: 'From publishers', unit: 'bps', stack: true, about: 'Media that came, by kind, pipes included.',
    queries: { '{{kind}}': `${sum('media_received_bytes_total', 'kind')} * 8` } },
  { title: 'To consumers', unit: 'bps', stack: true, about: 'Media that was forwarded, by kind.',
    queries: { '{{kind}}': `${sum('media_forwarded_bytes_total', 'kind')} * 8` } },
  { title: 'Packets to consumers', unit: 'pps', stack: true, about: 'Packets that were forwarded, by kind.',
    queries: { '{{kind}}': sum('media_forwarded_packets_total', 'kind') } },
  { row: 'Loss and repair' },
  { title: 'Lost on the way here', unit: 'percentunit',
    about: 'Share of packets of publishers that had not come when they were reported on, before repair.',
    queries: { '{{instance}}': `${sum('rtp_lost_total', 'instance')} / (${sum('rtp_lost_total', 'instance')} + `
      + `${sum('rtp_received_total', 'instance')})` } },
  { title: 'Repaired', unit: 'pps',
    about: 'Packets that publishers sent again when asked, and how many were asked for.',
    queries: { repaired: sum('rtp_repaired_total'), 'asked for': sum('nacks_sent_total') } },
  { title: 'Sent again', unit: 'percentunit', about: 'Share of what consumers get that they had asked for again.',
    queries: {
      '{{instance}}': `${sum('rtp_retransmitted_total', 'instance')} / ${sum('rtp_forwarded_total', 'instance')}`,
    } },
  { title: 'Asked for by consumers', unit: 'pps', about: 'Packets and key frames that consumers asked for.',
    queries: { packets: sum('nacks_received_total'), 'key frames': sum('key_frame_requests_received_total') } },
  { title: 'Key frames', unit: 'ops',
    about: 'Key frames asked of publishers, begun with from the buffer, and not found there.',
    queries: {
      'asked for': sum('key_frame_requests_sent_total'), replayed: sum('key_frames_replayed_total'),
      'not kept': sum('key_frames_not_kept_total'),
    } },
  { title: 'Queue full', unit: 'pps', about: 'Packets not forwarded because a receiver or the network was behind.',
    queries: { '{{instance}}': `sum by (instance) (${rate('dropped_total', ', reason="queue_full"')})` } },
  { row: 'Bandwidth and layers' },
  { title: 'Receivers short of bandwidth', unit: 'percentunit', max: 1,
    about: 'Share of receivers for whom there would be more to send than they can take.',
    queries: { '{{instance}}': `sum by (instance) (${of('receivers_limited')}) / `
      + `sum by (instance) (${of('receivers_estimated')})` } },
  { title: 'What a receiver can take', unit: 'bps', about: 'Mean of the estimates of all receivers.',
    queries: { '{{instance}}': `sum by (instance) (${of('receivers_estimate_bits_per_second')}) / `
      + `sum by (instance) (${of('receivers_estimated')})` } },
  { title: 'Layer changes per consumer', unit: 'ops',
    about: 'How often a consumer gets another layer: more than one in ten seconds is restless.',
    queries: { '{{instance}}': `${sum('layer_changes_total', 'instance')} / sum by (instance) (${of('consumers')})` } },
  { row: 'Latency' },
  { title: 'Added latency', unit: 's', width: 12, about: 'How long forwarded packets were in a node.',
    queries: Object.fromEntries([50, 95, 99].map((p) =>
      [`p${p}`, `histogram_quantile(0.${p}, sum by (le) (${rate('added_latency_seconds_bucket')}))`])) },
  { title: 'Active speakers', unit: 'ops', width: 12, about: 'How often the active speaker of some room changes.',
    queries: { changes: sum('active_speaker_changes_total') } },
];
