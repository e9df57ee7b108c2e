// Going on with the VM of a running backend (--take-over).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>

#include "backend/backend_options.h"
#include "backend/server/predecessor.h"
#include "backend/server/server.h"
#include "common/stats_page.h"

namespace rendercar::backend {

// OK: the VM is this process's. Else it is the predecessor's still, and this process is of no use;
// the status says why in words. `on_handed_over` as Server::OfferHandover's.
absl::Status TakeOver(server::Predecessor& predecessor, const Options& options, StatsWriter& stats,
                      server::Server& server, absl::AnyInvocable<void()> on_handed_over);

// Tells --status-fd, if there is one, that nothing was taken over.
void ReportRefusal(const Options& options, const absl::Status& why);

}  // namespace rendercar::backend
