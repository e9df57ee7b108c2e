// How the sessions of this node are, as their sidecars tell.
// SPDX-License-Identifier: Apache-2.0
#include "node/session_state_collector.h"

#include <prometheus/metric_family.h>

#include <string>
#include <utility>

#include "node/session_series.h"
#include "operator-api/service/session_filter.h"

namespace rendercar::node {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

SeriesLabels LabelsOf(const v1::Session& session, const SeriesLabels& more = {}) {
  const ShareUser user{session.owner().namespace_(), session.owner().pod(), ""};
  SeriesLabels labels =
      SessionLabels(user, session.share(), session.name().substr(session.name().rfind('/') + 1));
  labels.insert(labels.end(), more.begin(), more.end());
  return labels;
}

void Add(MetricFamily& family, SeriesLabels labels, double value) {
  family.metric.push_back(Sample(std::move(labels), family.type, value));
}

const char* DisplayName(v1::DisplayMode mode) {
  switch (mode) {
    case v1::DISPLAY_MODE_HEADLESS:
      return "headless";
    case v1::DISPLAY_MODE_PRIMARY:
      return "primary";
    default:
      return "secondary";
  }
}

}  // namespace

std::vector<MetricFamily> SessionStateCollector::Collect() const {
  MetricFamily info{
      "rendercar_session_info", "What a session is; always 1.", MetricType::Gauge, {}};
  MetricFamily state{"rendercar_session_state",
                     "1 for the state that the session is in (starting, ready, backing_off, "
                     "stopping), else 0.",
                     MetricType::Gauge,
                     {}};
  MetricFamily up{
      "rendercar_session_up", "1 when a VM can use, or uses, the session.", MetricType::Gauge, {}};
  MetricFamily backend{
      "rendercar_backend_up", "1 when the session's backend process runs.", MetricType::Gauge, {}};
  MetricFamily restarts{"rendercar_backend_restarts_total",
                        "How often the backend was started again; once a VM run is usual.",
                        MetricType::Counter,
                        {}};
  for (const v1::Session& session : list_()) {
    const bool virgl = session.acceleration() != v1::ACCELERATION_NONE;
    Add(info,
        LabelsOf(session, {{"acceleration", virgl ? "virgl" : "none"},
                           {"display", DisplayName(session.display().mode())}}),
        1);
    for (const auto each : {v1::Session::STATE_STARTING, v1::Session::STATE_READY,
                            v1::Session::STATE_BACKING_OFF, v1::Session::STATE_STOPPING}) {
      Add(state, LabelsOf(session, {{"state", api_service::StateName(each)}}),
          session.state() == each ? 1 : 0);
    }
    Add(up, LabelsOf(session), session.state() == v1::Session::STATE_READY ? 1 : 0);
    Add(backend, LabelsOf(session), session.backend_pid() != 0 ? 1 : 0);
    Add(restarts, LabelsOf(session), static_cast<double>(session.backend_restarts()));
  }
  return {std::move(info), std::move(state), std::move(up), std::move(backend),
          std::move(restarts)};
}

}  // namespace rendercar::node
