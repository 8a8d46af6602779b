// What a node costs, and what it holds back.
const of = (name, more = '') => `starling_${name}{job=~"$job", instance=~"$instance"${more}}`;
const rate = (name, more) => `rate(${of(name, more)}[$__rate_interval])`;
const sum = (name, by = 'instance') => `sum by (${by}) (${rate(name)})`;

export const panels = [
  { row: 'Cores' },
  { title: 'Workers, awake', unit: 'percentunit', max: 1, about: 'Share of the last second that each worker was awake.',
    queries: { '{{instance}} {{worker}}': of('worker_busy_ratio') } },
  { title: 'Workers, CPU', unit: 'percentunit', about: 'CPU that each worker took, as a share of a core.',
    queries: { '{{instance}} {{worker}}': rate('worker_cpu_seconds_total') } },
  { title: 'Longest turn', unit: 's',
    about: 'Longest turn of each worker in the last second: packets wait for so long.',
    queries: { '{{instance}} {{worker}}': of('worker_longest_turn_seconds') } },
  { title: 'Control plane, late', unit: 's', about: 'How late timers of the control plane are.',
    queries: { '{{instance}}': of('control_delay_seconds') } },
  { title: 'Memory', unit: 'percentunit', max: 1, about: 'Share in use of what the container or machine has.',
    queries: { '{{instance}}': of('memory_used_ratio') } },
  { title: 'Added latency', unit: 's', about: 'How long forwarded packets were in the node.',
    queries: Object.fromEntries([50, 99].map((p) =>
      [`{{instance}} p${p}`,
        `histogram_quantile(0.${p}, sum by (instance, le) (${rate('added_latency_seconds_bucket')}))`])) },
  { row: 'Traffic' },
  { title: 'Network', unit: 'bps', about: 'Bits received and sent by all workers.',
    queries: {
      '{{instance}} in': `${sum('datagrams_received_bytes_total')} * 8`,
      '{{instance}} out': `${sum('datagrams_sent_bytes_total')} * 8`,
    } },
  { title: 'Datagrams', unit: 'pps', about: 'UDP datagrams received and sent.',
    queries: {
      '{{instance}} in': sum('udp_datagrams_received_total'),
      '{{instance}} out': sum('udp_datagrams_sent_total'),
    } },
  { title: 'Datagrams per system call', about: 'How many datagrams leave with one call: more is cheaper.',
    queries: { '{{instance}}': `${sum('udp_datagrams_sent_total')} / ${sum('udp_send_calls_total')}` } },
  { title: 'Objects', about: 'Transports, producers and consumers.',
    queries: Object.fromEntries(['transports', 'producers', 'consumers'].map((name) =>
      [`{{instance}} ${name}`, `sum by (instance) (${of(name)})`])) },
  { title: 'Sessions', about: 'Signalling sessions and HTTP connections.',
    queries: { '{{instance}} sessions': of('signal_sessions'), '{{instance}} connections': of('http_connections') } },
  { title: 'HTTP answers', unit: 'ops', about: 'Answers by class of status.',
    queries: { '{{instance}} {{status}}': sum('http_answers_total', 'instance, status') } },
  { row: 'Held back' },
  { title: 'Packets dropped', unit: 'pps', about: 'Datagrams and packets that were counted and dropped, by reason.',
    queries: { '{{instance}} {{reason}}': `${sum('dropped_total', 'instance, reason')} > 0` } },
  { title: 'Send buffer full', unit: 'pps', about: "Datagrams that did not fit into the kernel's send buffer.",
    queries: { '{{instance}}': sum('udp_send_buffer_full_total') } },
  { title: 'Queues', about: 'Commands that wait for workers, and joins that wait for the registry.',
    queries: {
      '{{instance}} commands': `sum by (instance) (${of('worker_commands_waiting')})`,
      '{{instance}} joins': of('joins_waiting'),
    } },
  { title: 'Lost between threads', unit: 'ops',
    about: 'Commands refused, events and piped packets lost because too many waited.',
    queries: {
      '{{instance}} commands': sum('worker_commands_refused_total'),
      '{{instance}} events': sum('worker_events_dropped_total'),
      '{{instance}} pipes in': sum('worker_pipe_dropped_total'),
      '{{instance}} pipes out': sum('worker_piped_lost_total'),
    } },
  { title: 'Connections not taken', unit: 'ops',
    about: 'HTTP and media connections refused because there were too many.',
    queries: {
      '{{instance}} HTTP': rate('http_connections_refused_total'),
      '{{instance}} TCP': sum('tcp_refused_total'),
    } },
  { title: 'Clients that went silent', unit: 'ops', about: 'Sessions that ended because the client answered no ping.',
    queries: { '{{instance}}': rate('signal_sessions_silent_total') } },
];
