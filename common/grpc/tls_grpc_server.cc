// gRPC services on a TCP port, for clients with a certificate.
// SPDX-License-Identifier: Apache-2.0
#include "common/grpc/tls_grpc_server.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/log.h"

namespace rendercar {
namespace {

constexpr int kMaxThreads = 16;
constexpr int kMaxMessageBytes = 4 << 20;
// gRPC's names of what a peer is called.
constexpr std::array<const char*, 3> kNames{"peer_dns", "peer_uri", "x509_common_name"};

log::RateLimit refused_limit;

bool Holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Refuses certificates whose name has no role, for every service; what a role may do is looked at
// by the services.
class NameCheck final : public grpc::AuthMetadataProcessor {
 public:
  explicit NameCheck(const RolePolicy& roles) : roles_(roles) {}
  bool IsBlocking() const override { return false; }
  grpc::Status Process(const InputMetadata&, grpc::AuthContext* peer, OutputMetadata*,
                       OutputMetadata*) override {
    const bool known = peer != nullptr && peer->IsPeerAuthenticated();
    if (known && roles_.RoleOf(peer) != Role::kNone) return grpc::Status::OK;
    const auto names = known ? NamesOf(*peer) : std::vector<std::string>();
    const std::string name = names.empty() ? "" : names.front();
    if (refused_limit.Allow()) log::Warning("certificate without a role refused", {{"name", name}});
    return {grpc::StatusCode::PERMISSION_DENIED,
            absl::StrCat("certificate '", name, "' has no role here")};
  }

 private:
  const RolePolicy& roles_;
};

absl::Status CheckReadable(const std::string& what, const std::string& path) {
  if (::access(path.c_str(), R_OK) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, absl::StrCat("cannot read the ", what, " '", path, "'"));
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const TlsGrpcServer::Options& options,
                                                     const RolePolicy& roles) {
  grpc::experimental::TlsServerCredentialsOptions tls(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          options.key, options.certificate, options.client_ca,
          static_cast<unsigned>(options.reload_interval.count())));
  tls.watch_root_certs();
  tls.watch_identity_key_cert_pairs();
  tls.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  auto credentials = grpc::experimental::TlsServerCredentials(tls);
  if (credentials != nullptr)
    credentials->SetAuthMetadataProcessor(std::make_shared<NameCheck>(roles));
  return credentials;
}

}  // namespace

std::vector<std::string> NamesOf(const grpc::AuthContext& peer) {
  std::vector<std::string> names;
  for (const char* property : kNames) {
    for (const grpc::string_ref& value : peer.FindPropertyValues(property))
      names.emplace_back(value.data(), value.size());
  }
  return names;
}

Role RolePolicy::RoleOf(const grpc::AuthContext* peer) const {
  if (peer == nullptr ||
      peer->FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME).empty())
    return Role::kChange;
  Role role = Role::kNone;
  for (const std::string& name : NamesOf(*peer)) {
    if (Holds(changers, name)) return Role::kChange;
    if (Holds(readers, name)) role = Role::kRead;
  }
  return role;
}

absl::StatusOr<std::unique_ptr<TlsGrpcServer>> TlsGrpcServer::Start(
    const Options& options, const RolePolicy& roles, const std::vector<grpc::Service*>& services) {
  RC_RETURN_IF_ERROR(CheckReadable("certificate", options.certificate));
  RC_RETURN_IF_ERROR(CheckReadable("key", options.key));
  RC_RETURN_IF_ERROR(CheckReadable("certificate authority of clients", options.client_ca));
  const auto credentials = Credentials(options, roles);
  if (credentials == nullptr)
    return absl::InvalidArgumentError("the TLS credentials are no good; look at the lines above");
  int port = 0;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetResourceQuota(grpc::ResourceQuota("tls-grpc").SetMaxThreads(kMaxThreads));
  // Two servers on one port would each get some of the clients.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(options.address, credentials, &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  auto server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on '", options.address,
                     "'; is the port taken, the address this machine's?"));
  }
  return std::unique_ptr<TlsGrpcServer>(new TlsGrpcServer(std::move(server), port));
}

TlsGrpcServer::~TlsGrpcServer() { Shutdown(std::chrono::milliseconds(0)); }

void TlsGrpcServer::Shutdown(std::chrono::milliseconds grace) {
  server_->Shutdown(std::chrono::system_clock::now() + grace);
}

}  // namespace rendercar
