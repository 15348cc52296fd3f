#!/bin/sh
# Runs a command with the OVN and Open vSwitch of another Debian release, which nothing else on the machine sees:
#   sh test/with-debian.sh trixie npx vitest run --project e2e test/e2e/policies.test.ts
# The packages are unpacked into a folder, not installed, and stay there for the next time: /tmp/ovenbird-<release>.
# As root; the machine's own sources of packages must lead to a Debian archive, or DEBIAN_MIRROR.
set -eu
release=$1
shift
folder=/tmp/ovenbird-$release
root=$folder/root

fetch() {
  mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1)}
  [ -n "$mirror" ] || { echo "no Debian archive among the sources of packages: set DEBIAN_MIRROR" >&2; exit 1; }
  rm -rf "$folder"
  mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/etc/apt.conf.d" "$folder/etc/preferences.d" "$folder/bin" "$root"
  : >"$folder/state/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >"$folder/etc/sources.list"
  cat >"$folder/apt.conf" <<EOF
Dir::State "$folder/state"; Dir::State::status "$folder/state/status"; Dir::Cache "$folder/cache";
Dir::Etc "$folder/etc"; Dir::Etc::sourceparts "/dev/null"; Dir::Log "$folder";
APT::Install-Recommends "false"; APT::Sandbox::User "root"; Acquire::Languages "none";
EOF
  export APT_CONFIG="$folder/apt.conf"
  apt-get -qq update
  apt-get -qq -y --download-only install openvswitch-switch ovn-central ovn-host
  for package in "$folder"/cache/archives/*.deb; do dpkg -x "$package" "$root"; done
  rm -rf "$folder/cache"
  # They need the C library that they were built with.
  library=$root/usr/lib/$(uname -m)-linux-gnu
  for program in "$root"/usr/bin/ov[ns]* "$root"/usr/sbin/ovsdb-server "$root"/usr/lib/openvswitch-switch/ovs-vswitchd; do
    [ "$(head -c 4 "$program" | tail -c 3)" = ELF ] || continue
    name=${program##*/}
    printf '#!/bin/sh\nexec %s --library-path %s --argv0 %s %s "$@"\n' "$library"/ld-linux-*.so.* "$library" "$name" "$program" >"$folder/bin/$name"
    chmod +x "$folder/bin/$name"
  done
  touch "$folder/complete"
}

[ -e "$folder/complete" ] || (fetch)
# Namespaces of the command's labs are named where only it looks.
mkdir -p /run/netns
exec unshare --mount --propagation slave sh -ec '
  mount --bind "$0/root/usr/share/ovn" /usr/share/ovn
  mount --bind "$0/root/usr/share/openvswitch" /usr/share/openvswitch
  mount -t tmpfs tmpfs /run/netns
  PATH=$0/bin:$PATH exec "$@"' "$folder" "$@"
