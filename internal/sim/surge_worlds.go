package sim

import "github.com/valkeeper/valkeeper/internal/model"

// surgingAlone is a single server that is given a second one to be rolled.
func surgingAlone(name string) World {
	return standalone(name).with(func(w *World) { w.Surge, w.Durable = model.SurgeAuto, false })
}

func surgingPair(name string) World {
	return replication(name, 2).with(func(w *World) { w.Surge = model.SurgeAuto })
}

// mendedWithSurge: the extra node never comes up, until the spec is mended.
func mendedWithSurge(name string) World {
	return surgingAlone(name).with(func(w *World) {
		w.Specs = []Spec{{Rev: 0, Nodes: 1}, {Rev: 1, Nodes: 1, Bad: true}, {Rev: 2, Nodes: 1}}
	})
}

// unset is a roll in which somebody deletes the StatefulSet.
func unset(name string) World {
	return surgingAlone(name).with(func(w *World) {
		w.Durable, w.Faults, w.MaxFaults, w.MaxWrites = true, Faults{Unset: true}, 1, 2
	})
}

// surgeWorlds are rollouts with an extra node.
func surgeWorlds() []World {
	return []World{
		surgingAlone("1 node and an extra one").with(func(w *World) {
			w.Faults, w.MaxFaults, w.MaxWrites = everyFault, 1, 1
		}),
		surgingAlone("1 node and an extra one, volumes").with(func(w *World) {
			w.Durable, w.Faults, w.MaxFaults, w.MaxWrites = true, Faults{Crash: true, Delete: true, Silence: true}, 1, 1
		}),
		surgingAlone("1 node and an extra one, no persistence").with(func(w *World) {
			w.Persist, w.Faults, w.MaxFaults, w.MaxCrashes = Nothing, crashes, 1, 1
		}),
		mendedWithSurge("1 node and an extra one, a bad image, then mended").with(func(w *World) {
			w.Faults, w.MaxFaults = crashes, 1
		}),
		surgingAlone("1 node and an extra one, append-only files").with(func(w *World) {
			w.Durable, w.Persist, w.Faults, w.MaxFaults, w.MaxWrites = true, Log, Faults{Crash: true}, 1, 1
		}),
		surgingAlone("1 node and an extra one, a bad image, then taken back").with(func(w *World) {
			w.Specs = []Spec{{Rev: 0, Nodes: 1}, {Rev: 1, Nodes: 1, Bad: true}, {Rev: 0, Nodes: 1}}
			w.Durable, w.Faults, w.MaxFaults, w.MaxCrashes = true, crashes, 1, 1
		}),
		surgingAlone("1 node and an extra one, changed again in mid-roll").with(func(w *World) {
			w.Specs, w.MaxFaults = []Spec{{Rev: 0, Nodes: 1}, {Rev: 1, Nodes: 1}, {Rev: 2, Nodes: 1}}, 1
			w.Faults = Faults{Crash: true}
		}),
		surgingAlone("1 node and an extra one, paused in mid-roll, then not to surge").with(func(w *World) {
			w.Specs = []Spec{{Rev: 0, Nodes: 1}, {Rev: 1, Nodes: 1}, {Rev: 1, Nodes: 1, Paused: true}, {Rev: 1, Nodes: 1, Surge: model.SurgeNever}}
			w.Durable, w.MaxWrites = true, 1
		}),
		unset("1 node and an extra one, volumes, the StatefulSet is deleted"),
		unset("1 node and an extra one, append-only files, the StatefulSet is deleted").with(func(w *World) { w.Persist = Log }),
		surgingPair("1+1 and an extra one").with(func(w *World) {
			w.Faults, w.MaxFaults = Faults{Crash: true, Delete: true, Silence: true, Cut: true}, 1
		}),
		surgingPair("1+1 and an extra one, scaled out, then in, in mid-roll").with(func(w *World) {
			w.Specs, w.Durable = []Spec{{Rev: 0, Nodes: 2}, {Rev: 1, Nodes: 3}, {Rev: 1, Nodes: 2}}, true
		}),
		replication("1+2 and an extra one", 3).with(func(w *World) {
			w.Surge, w.Faults, w.MaxFaults = model.SurgeAuto, Faults{Crash: true}, 0
			w.MaxCrashes = 1
		}),
	}
}
