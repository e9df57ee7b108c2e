// What is known of render nodes as Prometheus collects it: sensors, and why a node cannot be used.
// SPDX-License-Identifier: Apache-2.0
#include "node/node_collector.h"

#include <optional>
#include <string>

#include "node/node_sensors.h"

namespace rendercar::node {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void AddSample(MetricFamily& family, const RenderNode& node, double value) {
  ClientMetric metric;
  metric.label = {{"render_node", node.id}, {"driver", node.driver}};
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

void AddSample(MetricFamily& family, const RenderNode& node, const std::optional<double>& value) {
  if (value) AddSample(family, node, *value);
}

void AddProblem(MetricFamily& family, const RenderNode& node) {
  if (node.healthy()) return;
  AddSample(family, node, 1.0);
  family.metric.back().label.push_back({"reason", std::string(ToString(node.problem_kind))});
}

}  // namespace

std::vector<MetricFamily> NodeCollector::Collect() const {
  const auto gauge = [](const char* name, const char* help) {
    return MetricFamily{name, help, MetricType::Gauge, {}};
  };
  MetricFamily total = gauge("rendercar_node_video_memory_bytes",
                             "Video memory of the render node, where its driver tells.");
  MetricFamily used = gauge("rendercar_node_video_memory_used_bytes",
                            "Video memory in use by anybody, where the driver tells.");
  MetricFamily busy =
      gauge("rendercar_node_gpu_busy_ratio", "Load of the GPU, 0 to 1, where the driver tells.");
  MetricFamily heat = gauge("rendercar_node_temperature_celsius",
                            "Temperature of the GPU's hottest sensor, where it has one.");
  MetricFamily problem = gauge("rendercar_node_render_node_problem",
                               "1 with the reason while a render node cannot be used.");
  const std::shared_ptr<const std::vector<RenderNode>> nodes = nodes_->Get();
  for (const RenderNode& node : nodes == nullptr ? std::vector<RenderNode>() : *nodes) {
    const Sensors sensors = ReadSensors(node);
    if (node.video_memory_bytes != 0) {
      AddSample(total, node, static_cast<double>(node.video_memory_bytes));
    }
    if (sensors.video_memory_used_bytes) {
      AddSample(used, node, static_cast<double>(*sensors.video_memory_used_bytes));
    }
    AddSample(busy, node, sensors.busy_ratio);
    AddSample(heat, node, sensors.temperature_celsius);
    AddProblem(problem, node);
  }
  return {std::move(total), std::move(used), std::move(busy), std::move(heat), std::move(problem)};
}

}  // namespace rendercar::node
