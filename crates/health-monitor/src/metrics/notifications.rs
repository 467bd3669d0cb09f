//! What became of messages to people, as numbers.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::domain::notification::channel::ChannelKind;
use crate::domain::notification::{NotificationKind, NotificationStatus};
use crate::domain::view::View;

/// By kind of channel and not by its name, so that labels are bounded.
pub(super) fn encode(view: &View, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let told = &view.state.notifications;
    let help = "Messages to people by what became of them";
    let mut family =
        encoder.encode_descriptor("health_monitor_notifications", help, None, MetricType::Counter)?;
    for channel in ChannelKind::ALL {
        for kind in NotificationKind::ALL {
            for end in NotificationStatus::ENDS {
                let labels =
                    [("channel_kind", channel.as_str()), ("kind", kind.as_str()), ("outcome", end.as_str())];
                ConstCounter::new(told.count(channel, kind, end)).encode(family.encode_family(&labels)?)?;
            }
        }
    }
    let help = "Messages to people that wait to be sent";
    let mut family =
        encoder.encode_descriptor("health_monitor_notifications_waiting", help, None, MetricType::Gauge)?;
    for kind in ChannelKind::ALL {
        let waiting = told.queues.values().flat_map(|queue| &queue.waiting);
        let waiting = waiting.filter(|one| one.channel_kind == kind).count();
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        let labels = [("channel_kind", kind.as_str())];
        ConstGauge::new(waiting).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
