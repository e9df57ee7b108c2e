// What happens in the operator, as metrics.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/report.h"

namespace rendercar::rc_operator {
namespace {

template <typename Builder>
auto& Register(Builder builder, const char* name, const char* help,
               prometheus::Registry& registry) {
  return builder.Name(name).Help(help).Register(registry);
}

}  // namespace

Report::Report()
    : registry_(std::make_shared<prometheus::Registry>()),
      writes_(Register(prometheus::BuildCounter(), "rendercar_operator_writes_total",
                       "Objects written to the API server", *registry_)),
      configs_(Register(prometheus::BuildCounter(), "rendercar_operator_config_writes_total",
                        "Configurations of the node agent made of RenderPools", *registry_)),
      sessions_(Register(prometheus::BuildGauge(), "rendercar_operator_sessions",
                         "Sessions of this node, by whether their pod is known", *registry_)),
      node_api_(Register(prometheus::BuildGauge(), "rendercar_operator_node_api_up",
                         "Whether the node agent's API answers", *registry_)
                    .Add({})),
      leader_(Register(prometheus::BuildGauge(), "rendercar_operator_leader",
                       "Whether this instance writes the status of RenderPools", *registry_)
                  .Add({})) {}

void Report::Wrote(const std::string& what, const absl::Status& result) {
  writes_.Add({{"what", what}, {"result", result.ok() ? "ok" : "error"}}).Increment();
}

void Report::ConfigWritten(const absl::Status& result) {
  configs_.Add({{"result", result.ok() ? "ok" : "error"}}).Increment();
}

void Report::Sessions(size_t known, size_t without_pod) {
  sessions_.Add({{"pod", "known"}}).Set(static_cast<double>(known));
  sessions_.Add({{"pod", "unknown"}}).Set(static_cast<double>(without_pod));
}

void Report::NodeApi(bool answers) { node_api_.Set(answers ? 1 : 0); }

void Report::Leader(bool is) { leader_.Set(is ? 1 : 0); }

}  // namespace rendercar::rc_operator
