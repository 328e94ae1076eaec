//! RTP packets, read and built (RFC 3550 §5.1).

use rtp_rs::{RtpPacketBuilder, RtpReader};

/// Octets of the fixed RTP header (RFC 3550 §5.1).
pub const HEADER_LEN: usize = 12;

/// The largest RTP payload that we build: 60 ms at 64 kbit/s.
pub const PAYLOAD_MAX: usize = 480;

/// One packet as it came from the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// The fixed header's fields.
    pub header: RtpHeader,
    /// What follows the header, its list of contributors and its extension, without padding.
    pub payload: &'a [u8],
}

/// The fields of the fixed header that matter to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Payload type, 0-127.
    pub payload_type: u8,
    /// The marker bit: first packet of a talk spurt or of a key press.
    pub marker: bool,
    /// Sequence number. It wraps: compare by wrapping difference, never by order.
    pub sequence: u16,
    /// Timestamp in ticks of the payload's RTP clock.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
}

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Too short, wrong version, or lengths inside that point past the end.
    #[error("not an RTP packet")]
    Malformed,
    /// The buffer given does not hold the packet.
    #[error("the packet does not fit its buffer")]
    Buffer,
}

impl RtpHeader {
    /// Writes the header in front of a payload that lies in place already.
    ///
    /// # Errors
    /// [`RtpError::Buffer`] when it does not fit, or when the payload type is above 127.
    pub fn write(&self, buffer: &mut [u8]) -> Result<(), RtpError> {
        RtpPacket { header: *self, payload: &[] }.write(buffer).map(drop)
    }
}

impl<'a> RtpPacket<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    /// [`RtpError::Malformed`] for everything that is not RTP version 2 with sound lengths.
    pub fn read(datagram: &'a [u8]) -> Result<Self, RtpError> {
        let reader = RtpReader::new(datagram).map_err(|_| RtpError::Malformed)?;
        Ok(Self {
            header: RtpHeader {
                payload_type: reader.payload_type(),
                marker: reader.mark(),
                sequence: reader.sequence_number().into(),
                timestamp: reader.timestamp(),
                ssrc: reader.ssrc(),
            },
            payload: reader.payload(),
        })
    }

    /// Writes the packet into `buffer` and gives its length.
    ///
    /// # Errors
    /// [`RtpError::Buffer`] when it does not fit, or when the payload type is above 127.
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, RtpError> {
        let header = &self.header;
        RtpPacketBuilder::new()
            .payload_type(header.payload_type)
            .marked(header.marker)
            .sequence(header.sequence.into())
            .timestamp(header.timestamp)
            .ssrc(header.ssrc)
            .payload(self.payload)
            .build_into(buffer)
            .map_err(|_| RtpError::Buffer)
    }
}

/// Tells RTCP from RTP on a shared port by the packet type (RFC 5761).
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.len() >= 4 && (192..=223).contains(&datagram[1])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(packet) = RtpPacket::read(&bytes) {
                prop_assert!(packet.payload.len() + HEADER_LEN <= bytes.len());
            }
            prop_assert!(!is_rtcp(&bytes) || bytes.len() >= 4);
        }

        #[test]
        fn what_is_written_is_read(payload_type in 0u8..128, marker: bool, sequence: u16, timestamp: u32, ssrc: u32,
                                   payload in proptest::collection::vec(any::<u8>(), 0..PAYLOAD_MAX)) {
            let header = RtpHeader { payload_type, marker, sequence, timestamp, ssrc };
            let packet = RtpPacket { header, payload: &payload };
            let mut buffer = [0; HEADER_LEN + PAYLOAD_MAX];
            let len = packet.write(&mut buffer).unwrap();
            prop_assert_eq!(RtpPacket::read(&buffer[..len]).unwrap(), packet);
        }
    }
}
