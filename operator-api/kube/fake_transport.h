// An API server that says what a test wrote down, in order, and remembers what it was asked.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "operator-api/kube/transport.h"

namespace rendercar::kube {

class FakeTransport final : public Transport {
 public:
  // After the last one nobody answers any more.
  void Answer(long status, std::string body = "{}", long retry_after_s = -1) {
    answers_.push_back(Response{status, retry_after_s, std::move(body)});
  }
  void NoAnswer() { answers_.push_back(absl::UnavailableError("connection refused")); }

  absl::StatusOr<Response> Send(const Request& request) override {
    requests.push_back(request);
    if (answers_.empty()) return absl::UnavailableError("nobody answers");
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  absl::StatusOr<Response> Stream(const Request& request, const LineHandler& handler) override {
    auto answer = Send(request);
    if (!answer.ok() || answer->status != 200) return answer;
    size_t start = 0;
    for (size_t end; (end = answer->body.find('\n', start)) != std::string::npos; start = end + 1)
      if (!handler(answer->body.substr(start, end - start))) break;
    return answer;
  }

  std::vector<Request> requests;

 private:
  std::deque<absl::StatusOr<Response>> answers_;
};

}  // namespace rendercar::kube
