// What is said to whoever wants to live-migrate a VM with our GPU.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace rendercar {

inline constexpr char kMigrationRefusal[] =
    "a VM with a rendercar GPU cannot be live-migrated: QEMU has no way to move the state of a "
    "vhost-user GPU; shut the VM down, and set evictionStrategy: None or External on it";

}  // namespace rendercar
