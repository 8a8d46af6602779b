//! The addresses behind the names that are announced, for clients that look nothing up. Never does:
//! look again later; a load balancer keeps its address.

use std::{net::IpAddr, time::Duration};

use tokio::{
    net::lookup_host,
    time::{Instant, sleep, timeout},
};

/// Longest wait for all names: less than the 60 s that Kubernetes' startup probe gives a pod, so
/// that the last it says is what it waited for.
pub(crate) const WITHIN: Duration = Duration::from_secs(50);
/// Between two tries. A new name comes with the resolver's next answer, not faster.
const AGAIN: Duration = Duration::from_secs(2);

/// What clients are told instead of `announced`: each name's addresses, and addresses as they are.
///
/// # Errors
/// A sentence about the name that nobody knows.
pub(crate) async fn look_up(
    announced: &[String],
    listen: &[IpAddr],
    within: Duration,
) -> Result<Vec<String>, String> {
    let end = Instant::now() + within;
    let mut all = Vec::new();
    for host in announced {
        if host.parse::<IpAddr>().is_ok() {
            all.push(host.clone());
            continue;
        }
        let mut why = "no answer".to_owned();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match timeout(left, lookup_host((host.as_str(), 0))).await {
                Ok(Ok(found)) => {
                    let found = usable(found.map(|address| address.ip()), listen);
                    if !found.is_empty() {
                        all.extend(found.iter().map(ToString::to_string));
                        break;
                    }
                    why = "it has no address of a family that rtc_listen has".to_owned();
                }
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => {}
            }
            if left < AGAIN {
                let hint = "does the name exist by now, and is announce spelled right?";
                return Err(format!("{host} was not found in {within:?}: {why}; {hint}"));
            }
            sleep(AGAIN).await;
        }
    }
    Ok(all)
}

/// Each once, and only those of a family in which media is received.
fn usable(found: impl Iterator<Item = IpAddr>, listen: &[IpAddr]) -> Vec<IpAddr> {
    let mut kept: Vec<IpAddr> = Vec::new();
    for ip in found {
        let heard = listen.iter().any(|own| own.is_ipv4() == ip.is_ipv4());
        if heard && !kept.contains(&ip) {
            kept.push(ip);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)];

    #[test]
    fn addresses_of_families_that_nobody_hears_are_left_out() {
        let found = ["192.0.2.7", "2001:db8::7", "192.0.2.7", "192.0.2.8"];
        let found = found.map(|text| text.parse().unwrap());
        let kept = usable(found.into_iter(), &ANY);
        assert_eq!(
            kept.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["192.0.2.7", "192.0.2.8"]
        );
    }

    #[tokio::test]
    async fn a_name_becomes_its_address_and_an_address_stays() {
        let announced = ["203.0.113.7".to_owned(), "localhost".to_owned()];
        let told = look_up(&announced, &ANY, WITHIN).await.unwrap();
        assert_eq!(told, ["203.0.113.7", "127.0.0.1"]);
    }

    #[tokio::test]
    async fn a_name_that_stays_unknown_is_told_with_what_was_waited_for() {
        // RFC 6761 §6.4: nobody ever answers for .invalid.
        let announced = ["starling-0.invalid".to_owned()];
        let told = look_up(&announced, &ANY, Duration::from_millis(100)).await.unwrap_err();
        assert!(told.starts_with("starling-0.invalid was not found in 100ms: "), "{told}");
    }
}
