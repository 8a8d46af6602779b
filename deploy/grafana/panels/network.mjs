// Links between nodes, pipes, and the way to clients.
const of = (name, more = '') => `starling_${name}{job=~"$job", instance=~"$instance"${more}}`;
const rate = (name, more) => `rate(${of(name, more)}[$__rate_interval])`;
const link = '{{instance}} → {{node}}';

export const panels = [
  { row: 'Links' },
  { title: 'Round trip', unit: 's',
    about: 'Smoothed round trip of each link.', queries: { [link]: of('link_rtt_seconds') } },
  { title: 'QUIC packets lost', unit: 'percentunit', about: 'Share of the datagrams sent that were lost, by link.',
    queries: { [link]: `${rate('link_quic_packets_lost_total')} / ${rate('link_datagrams_sent_total')}` } },
  { title: 'Media on links', unit: 'bps', stack: true, about: 'Media bytes that each link carries.',
    queries: { [link]: `${rate('link_bytes_sent_total')} * 8` } },
  { title: 'Shed', unit: 'pps', about: 'Packets that were too old, or too many, to send; audio goes last.',
    queries: { [`${link} {{class}}`]: `${rate('link_packets_shed_total')} > 0` } },
  { title: 'What a narrow link takes', unit: 'bps', about: 'Only of links that take less than what is wanted.',
    queries: { [link]: of('link_limit_bits_per_second') } },
  { title: 'Split packets', unit: 'pps', about: 'Packets sent in two parts, and those of which half came.',
    queries: {
      [`${link} split`]: rate('link_packets_split_total'),
      [`${link} halved`]: rate('link_packets_halved_total'),
    } },
  { title: 'Largest datagram', unit: 'bytes', about: 'What the path of each link carries at once.',
    queries: { [link]: of('link_datagram_bytes') } },
  { title: 'Control messages', unit: 'ops', about: 'What nodes tell each other beside media.',
    queries: { [link]: rate('link_messages_sent_total') } },
  { title: 'Packets on links', unit: 'pps', about: 'Media packets sent and received.',
    queries: {
      [`${link} out`]: rate('link_packets_sent_total'),
      [`${link} in`]: rate('link_packets_received_total'),
    } },
  { row: 'Who is alive' },
  { title: 'Probes', unit: 'ops', about: 'Datagrams sent on silent links only to be acknowledged.',
    queries: { '{{instance}}': rate('link_probes_total') } },
  { title: 'Suspicions and questions', unit: 'ops',
    about: 'Links silent for 400 ms, and questions to others about them.',
    queries: {
      '{{instance}} suspicions': rate('link_suspicions_total'),
      '{{instance}} questions': rate('link_questions_total'),
    } },
  { title: 'Lives',
    about: 'Lives that were given up and began anew, and connections refused because their life is over, per hour.',
    queries: {
      '{{instance}} renewed': `increase(${of('lives_renewed_total')}[1h])`,
      '{{instance}} refused': `increase(${of('epochs_refused_total')}[1h])`,
    } },
  { row: 'Pipes and clients' },
  { title: 'Pipes', unit: 'pps', about: 'Packets that workers take from and give to pipes, between cores and nodes.',
    queries: {
      '{{instance}} in': `sum by (instance) (${rate('piped_received_total')})`,
      '{{instance}} out': `sum by (instance) (${rate('piped_sent_total')})`,
    } },
  { title: 'Media over TCP', about: 'Clients whose network lets no UDP through.',
    queries: { '{{instance}}': `sum by (instance) (${of('tcp_connections')})` } },
  { title: 'Not proven', unit: 'pps',
    about: 'Datagrams of nobody, or that failed a check: noise of the internet, or an attack.',
    queries: { '{{instance}} {{reason}}':
      `sum by (instance, reason) (${
        rate('dropped_total', ', reason=~"unknown_source|stun|srtp|unkeyed|malformed"')})` } },
];
