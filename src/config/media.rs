//! `[media]`: ports, threads and time limits of the audio.

use std::time::Duration;

use serde::Deserialize;

use super::{Checked, Fault};

/// When to listen for key tones in the audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InBand {
    /// When telephone-event was not agreed.
    #[default]
    Auto,
    /// On every call. A press that is heard twice still counts once.
    Always,
    /// Not at all.
    Never,
}

/// The `[media]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// First RTP port. A call takes an even port and the odd one after it for RTCP. Range 1024-65534.
    pub port_min: u16,
    /// Last port of the range. Two ports for each call at once, and as many again for those in quarantine.
    pub port_max: u16,
    /// How long a port rests after a call, so that its late packets reach nobody else. Range 0 s - 10 min.
    #[serde(with = "humantime_serde")]
    pub quarantine: Duration,
    /// Media threads; 0 means one for each two cores. Range 0-64.
    pub threads: u16,
    /// No RTP for this long from the start ends the call. Range 1 s - 10 min.
    #[serde(with = "humantime_serde")]
    pub start_silence: Duration,
    /// No RTP for this long later on ends the call; hold does not count. Range 1 s - 1 h.
    #[serde(with = "humantime_serde")]
    pub dead_after: Duration,
    /// When to listen for key tones in the audio.
    pub in_band: InBand,
    /// Mean time between RTCP reports; each one varies by half. Range 1 s - 1 min.
    #[serde(with = "humantime_serde")]
    pub rtcp_interval: Duration,
    /// DSCP of RTP and RTCP: 46 is Expedited Forwarding, 0 leaves packets unmarked. Range 0-63.
    pub dscp: u8,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            port_min: 30_000,
            port_max: 39_999,
            quarantine: Duration::from_secs(5),
            threads: 0,
            start_silence: Duration::from_secs(10),
            dead_after: Duration::from_secs(15),
            in_band: InBand::Auto,
            rtcp_interval: Duration::from_secs(5),
            dscp: 46,
        }
    }
}

impl Checked for MediaConfig {
    fn check(&self) -> Result<(), Fault> {
        let within = |key, value: Duration, min_s: u64, max_s: u64| {
            let range = Duration::from_secs(min_s)..=Duration::from_secs(max_s);
            let what = format!("must lie between {min_s} s and {max_s} s");
            if range.contains(&value) { Ok(()) } else { Err(Fault::new(key, what)) }
        };
        if self.port_min < 1024 {
            return Err(Fault::new("port_min", "must be at least 1024"));
        }
        if u32::from(self.port_max) <= u32::from(self.port_min).next_multiple_of(2) {
            return Err(Fault::new("port_max", "leaves no pair of an even and an odd port"));
        }
        if self.threads > 64 {
            return Err(Fault::new("threads", "must lie in 0-64"));
        }
        if self.dscp > 63 {
            return Err(Fault::new("dscp", "must lie in 0-63"));
        }
        within("quarantine", self.quarantine, 0, 600)?;
        within("start_silence", self.start_silence, 1, 600)?;
        within("dead_after", self.dead_after, 1, 3600)?;
        within("rtcp_interval", self.rtcp_interval, 1, 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_and_faults_are_named() {
        assert_eq!(MediaConfig::default().check(), Ok(()));
        let config: MediaConfig =
            toml::from_str("port_min = 40000\nport_max = 40000\ndead_after = \"20s\"").unwrap();
        assert_eq!(config.dead_after, Duration::from_secs(20));
        assert_eq!(config.check().unwrap_err().key, "port_max");
        assert!(toml::from_str::<MediaConfig>("port_minn = 1").is_err());
        let config = MediaConfig { start_silence: Duration::ZERO, ..MediaConfig::default() };
        assert_eq!(config.check().unwrap_err().key, "start_silence");
    }
}
