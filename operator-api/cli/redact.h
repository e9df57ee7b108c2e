// Takes secrets out of text that leaves the machine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace rendercar::ctl {

// The value of every "key: value" or "key=value" whose key looks like a secret's (password, token,
// secret, key, credential, authorization) becomes "[removed]"; other words stay.
std::string Redact(const std::string& text);

}  // namespace rendercar::ctl
