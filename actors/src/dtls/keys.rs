//! SRTP keys of a finished handshake (RFC 5764 §4.2). Only slices.

use dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use starling_media::command::{SrtpKey, SrtpKeys};
use starling_proto::transport::SrtpProfile;

use super::session::Role;

/// RFC 5764 §4.2.
pub(super) const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// Bytes to export under [`LABEL`].
pub(super) const fn length(profile: SrtpProfile) -> usize {
    let (key, salt) = profile.lengths();
    2 * (key + salt)
}

/// The four parts of what was exported. `None` if its length is wrong.
pub(super) fn split(material: &[u8], profile: SrtpProfile, role: Role) -> Option<SrtpKeys> {
    let (key, salt) = profile.lengths();
    if material.len() != length(profile) {
        return None;
    }
    let (client_key, rest) = material.split_at(key);
    let (server_key, rest) = rest.split_at(key);
    let (client_salt, server_salt) = rest.split_at(salt);
    let client = SrtpKey { key: client_key.to_vec(), salt: client_salt.to_vec() };
    let server = SrtpKey { key: server_key.to_vec(), salt: server_salt.to_vec() };
    let (send, recv) = match role {
        Role::Client => (client, server),
        Role::Server => (server, client),
    };
    Some(SrtpKeys { profile, send, recv })
}

/// To the session's name.
pub(super) const fn to_dtls(profile: SrtpProfile) -> SrtpProtectionProfile {
    match profile {
        SrtpProfile::AeadAes128Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        SrtpProfile::AeadAes256Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
        SrtpProfile::AesCm128HmacSha1_80 => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        SrtpProfile::AesCm128HmacSha1_32 => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32,
    }
}

/// From the session's name; `None` if nothing we protect with was agreed on.
pub(super) const fn from_dtls(profile: SrtpProtectionProfile) -> Option<SrtpProfile> {
    match profile {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Some(SrtpProfile::AeadAes128Gcm),
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Some(SrtpProfile::AeadAes256Gcm),
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
            Some(SrtpProfile::AesCm128HmacSha1_80)
        }
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32 => {
            Some(SrtpProfile::AesCm128HmacSha1_32)
        }
        SrtpProtectionProfile::Unsupported => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_before_salts_and_the_client_before_the_server() {
        let profile = SrtpProfile::AesCm128HmacSha1_80;
        let material: Vec<u8> = (0..60).collect();
        let keys = split(&material, profile, Role::Server).unwrap();
        assert_eq!(keys.recv.key, (0..16).collect::<Vec<u8>>());
        assert_eq!(keys.send.key, (16..32).collect::<Vec<u8>>());
        assert_eq!(keys.recv.salt, (32..46).collect::<Vec<u8>>());
        assert_eq!(keys.send.salt, (46..60).collect::<Vec<u8>>());
        let client = split(&material, profile, Role::Client).unwrap();
        assert_eq!((client.send, client.recv), (keys.recv, keys.send));
        assert_eq!(split(&material[1..], profile, Role::Server), None);
    }
}
