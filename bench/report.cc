// The results of a run as a table for people and as JSON for machines.
// SPDX-License-Identifier: Apache-2.0
#include "bench/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace rendercar::bench {
namespace {

constexpr double kMicro = 1e6;

std::string Duration(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * kMicro);
  if (seconds < 1) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.2f} s", seconds);
}

const Figures* Find(const RowResult& result, const std::string& contender) {
  for (const Figures& figures : result.figures) {
    if (figures.contender == contender && figures.failure.empty()) return &figures;
  }
  return nullptr;
}

// How many times as fast as QEMU's backend; empty when either is missing.
std::string Ratio(const RowResult& result, const Figures& figures) {
  const Figures* rival = Find(result, "qemu");
  if (rival == nullptr || rival == &figures || rival->rate <= 0) return "";
  return fmt::format("{:.2f}", figures.rate / rival->rate);
}

std::string Line(const RowResult& result, const Figures& figures) {
  if (!figures.failure.empty()) {
    return fmt::format("| {} | {} | {} | failed: {} | | | | | | | |\n", result.row.name,
                       result.row.goal, figures.contender, figures.failure);
  }
  const auto operations = static_cast<double>(std::max<uint64_t>(1, figures.operations));
  const std::string bytes =
      result.row.bytes_per_operation > 0
          ? fmt::format("{:.2f}", figures.rate * result.row.bytes_per_operation / 1e9)
          : "";
  return fmt::format("| {} | {} | {} | {} | {:.0f} | {} | {} | {} | {:.1f} | {:.2f} | {:.2f} |\n",
                     result.row.name, result.row.goal, figures.contender, Ratio(result, figures),
                     figures.rate, bytes, Duration(figures.p50), Duration(figures.p99),
                     figures.cpu_seconds / operations * kMicro,
                     static_cast<double>(figures.notifications) / operations,
                     static_cast<double>(figures.display_pixels) / operations / 1e6);
}

nlohmann::json ToJsonValue(const Figures& figures) {
  return {{"contender", figures.contender},
          {"failure", figures.failure},
          {"operations", figures.operations},
          {"seconds", figures.seconds},
          {"operations_per_second", figures.rate},
          {"p50_seconds", figures.p50},
          {"p99_seconds", figures.p99},
          {"cpu_seconds", figures.cpu_seconds},
          {"notifications", figures.notifications},
          {"kicks", figures.kicks},
          {"display_messages", figures.display_messages},
          {"display_pixels", figures.display_pixels}};
}

}  // namespace

std::string ToMarkdown(const Report& report) {
  std::string out;
  for (const std::string& note : report.notes) out += "- " + note + "\n";
  out +=
      "\n| work | goal | backend | ratio | operations/s | GB/s | p50 | p99 | CPU us/op | "
      "notifications/op | Mpixel shown/op |\n";
  out += "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const RowResult& result : report.rows) {
    for (const Figures& figures : result.figures) out += Line(result, figures);
  }
  out += "\n| footprint | goal | backend | value |\n| --- | --- | --- | --- |\n";
  for (const FootprintResult& footprint : report.footprints) {
    for (const auto& [contender, value] : footprint.values) {
      out += fmt::format("| {} | {} | {} | {:.2f} {} |\n", footprint.name, footprint.goal,
                         contender, value, footprint.unit);
    }
  }
  out += "\n| limit of this machine, same run | value |\n| --- | --- |\n";
  for (const Limit& limit : report.limits) {
    out += fmt::format("| {} | {:.2f} {} |\n", limit.name, limit.value, limit.unit);
  }
  return out;
}

std::string ToJson(const Report& report) {
  nlohmann::json json;
  json["notes"] = report.notes;
  for (const Limit& limit : report.limits) {
    json["limits"].push_back({{"name", limit.name}, {"value", limit.value}, {"unit", limit.unit}});
  }
  for (const RowResult& result : report.rows) {
    nlohmann::json row = {
        {"id", result.row.id}, {"name", result.row.name}, {"goal", result.row.goal}};
    for (const Figures& figures : result.figures) row["results"].push_back(ToJsonValue(figures));
    json["rows"].push_back(row);
  }
  for (const FootprintResult& footprint : report.footprints) {
    nlohmann::json values;
    for (const auto& [contender, value] : footprint.values) values[contender] = value;
    json["footprints"].push_back({{"name", footprint.name},
                                  {"goal", footprint.goal},
                                  {"unit", footprint.unit},
                                  {"values", values}});
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace rendercar::bench
