// KubeVirt's calls as Prometheus collects them.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/hook_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include "sidecar/metrics/metric_table.h"

namespace rendercar::sidecar {
namespace {

constexpr Hook kHooks[] = {Hook::kDefineDomain, Hook::kNodeHook, Hook::kShutdown};
// What hooks answer with; anything else counts as unknown, so that there are no more series.
constexpr absl::StatusCode kResults[] = {absl::StatusCode::kOk,
                                         absl::StatusCode::kInvalidArgument,
                                         absl::StatusCode::kFailedPrecondition,
                                         absl::StatusCode::kResourceExhausted,
                                         absl::StatusCode::kDeadlineExceeded,
                                         absl::StatusCode::kUnavailable,
                                         absl::StatusCode::kInternal,
                                         absl::StatusCode::kUnknown};

const char* Name(Hook hook) {
  switch (hook) {
    case Hook::kDefineDomain:
      return "define_domain";
    case Hook::kNodeHook:
      return "node_hook";
    case Hook::kShutdown:
      return "shutdown";
  }
  return "unknown";
}

std::string Name(absl::StatusCode code) {
  return code == absl::StatusCode::kOk ? "ok" : absl::StatusCodeToString(code);
}

absl::StatusCode Known(absl::StatusCode code) {
  for (const absl::StatusCode each : kResults)
    if (each == code) return code;
  return absl::StatusCode::kUnknown;
}

// Around KubeVirt's budget of 5 s.
prometheus::Histogram::BucketBoundaries Buckets() {
  return {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5};
}

}  // namespace

HookMetrics::HookMetrics()
    : calls_(prometheus::BuildCounter()
                 .Name(kHookCalls.name)
                 .Help(kHookCalls.help)
                 .Register(registry_)),
      durations_(prometheus::BuildHistogram()
                     .Name(kHookDuration.name)
                     .Help(kHookDuration.help)
                     .Register(registry_)) {
  for (const Hook hook : kHooks) {
    durations_.Add({{"hook", Name(hook)}}, Buckets());
    for (const absl::StatusCode code : kResults)
      calls_.Add({{"hook", Name(hook)}, {"result", Name(code)}});
  }
}

void HookMetrics::Answered(Hook hook, const absl::Status& result, std::chrono::nanoseconds took) {
  calls_.Add({{"hook", Name(hook)}, {"result", Name(Known(result.code()))}}).Increment();
  durations_.Add({{"hook", Name(hook)}}, Buckets())
      .Observe(std::chrono::duration<double>(took).count());
}

}  // namespace rendercar::sidecar
