"""A real Kubernetes control plane for the tests, on loopback, without containers and without root.

Etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and kubectl are one Go program (main.go, its versions
pinned in go.mod and go.sum); kwok, a module of its own, plays nodes and the states of their pods. `scripts/controlplane`
builds both once, in about five minutes on two cores, into the user's cache under the hash of their sources. A directory
named in KUBEBUILDER_ASSETS (the convention of envtest) wins.

Three levels, each a fixture of `tests.controlplane.fixtures`:

* `api_server`: etcd and the API server; the tests themselves play controllers and kubelets.
* `control_plane`: with controllers, scheduler and kwok nodes, whose pods are ready at once.
* real nodes (`tests.controlplane.nodes`): kubelet and containerd; needs root and a few Debian packages.

`another_control_plane` starts one of its own for a test that kills, pauses or compacts. Tests that use any of them are
marked `controlplane`, and skipped with one line where nothing is built, unless MGW_TEST_REQUIRE has the word `controlplane`.
"""
