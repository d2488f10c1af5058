//! The dependency graph: cycles, waves and critical paths. Pure arithmetic over indices.

use alloc::{vec, vec::Vec};

/// Dependencies by index: `edges[t]` are the tasks that `t` depends on.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// For each node, the nodes it depends on.
    pub edges: Vec<Vec<usize>>,
}

impl Graph {
    /// The wave of each node, from 1: one more than the deepest dependency's. `None` where a cycle
    /// keeps the depth from being defined.
    #[must_use]
    pub fn waves(&self) -> Vec<Option<u32>> {
        let mut wave = vec![None; self.edges.len()];
        for node in self.topological() {
            let deepest = self.edges[node]
                .iter()
                .filter_map(|&d| wave[d])
                .max()
                .unwrap_or(0);
            wave[node] = Some(deepest + 1);
        }
        wave
    }

    /// For each node, the length in nodes of the longest chain of dependents that starts with it: what
    /// waits on it. Nodes in a cycle get 0.
    #[must_use]
    pub fn critical_paths(&self) -> Vec<u32> {
        let mut longest = vec![0; self.edges.len()];
        for node in self.topological().into_iter().rev() {
            longest[node] += 1;
            for &dependency in &self.edges[node] {
                longest[dependency] = longest[dependency].max(longest[node]);
            }
        }
        longest
    }

    /// Dependencies before dependents; nodes in or behind a cycle are left out.
    fn topological(&self) -> Vec<usize> {
        let mut open: Vec<usize> = self.edges.iter().map(Vec::len).collect();
        let mut dependents = vec![Vec::new(); self.edges.len()];
        for (node, dependencies) in self.edges.iter().enumerate() {
            for &d in dependencies {
                dependents[d].push(node);
            }
        }
        let mut order: Vec<usize> = (0..self.edges.len()).filter(|&n| open[n] == 0).collect();
        let mut next = 0;
        while let Some(&node) = order.get(next) {
            next += 1;
            for &dependent in &dependents[node] {
                open[dependent] -= 1;
                if open[dependent] == 0 {
                    order.push(dependent);
                }
            }
        }
        order
    }
}

/// Every cycle's nodes, found by Tarjan's strongly connected components, each as a walk
/// `a → b → … → a` along dependencies (the last node is not repeated). Deterministic: components come in
/// the order of their smallest node and each walk starts there.
#[must_use]
pub fn cycles(graph: &Graph) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = components(graph)
        .into_iter()
        .filter(|c| c.len() > 1 || graph.edges[c[0]].contains(&c[0]))
        .map(|mut c| {
            c.sort_unstable();
            walk(graph, &c)
        })
        .collect();
    found.sort();
    found
}

/// The shortest closed walk through the first node of `component`.
fn walk(graph: &Graph, component: &[usize]) -> Vec<usize> {
    let start = component[0];
    let mut queue = vec![start];
    let mut came_from = vec![None; graph.edges.len()];
    let mut head = 0;
    while let Some(&node) = queue.get(head) {
        head += 1;
        for &next in &graph.edges[node] {
            if next == start {
                let mut path = vec![node];
                let mut at = node;
                while let Some(previous) = came_from[at] {
                    path.push(previous);
                    at = previous;
                }
                path.reverse();
                return path;
            }
            if came_from[next].is_none() && component.binary_search(&next).is_ok() {
                came_from[next] = Some(node);
                queue.push(next);
            }
        }
    }
    component.to_vec()
}

/// Tarjan's algorithm with an explicit stack: plans may be deeper than the thread's stack.
fn components(graph: &Graph) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let n = graph.edges.len();
    let mut index = vec![UNSEEN; n];
    let mut low = vec![0; n];
    let mut on_stack = vec![false; n];
    let (mut stack, mut found, mut counter) = (Vec::new(), Vec::new(), 0);
    for root in 0..n {
        if index[root] != UNSEEN {
            continue;
        }
        let mut calls = vec![(root, 0)];
        while let Some(&mut (node, ref mut edge)) = calls.last_mut() {
            if *edge == 0 && index[node] == UNSEEN {
                index[node] = counter;
                low[node] = counter;
                counter += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(&next) = graph.edges[node].get(*edge) {
                *edge += 1;
                if index[next] == UNSEEN {
                    calls.push((next, 0));
                } else if on_stack[next] {
                    low[node] = low[node].min(index[next]);
                }
                continue;
            }
            calls.pop();
            if let Some(&(parent, _)) = calls.last() {
                low[parent] = low[parent].min(low[node]);
            }
            if low[node] == index[node] {
                let mut component = Vec::new();
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    component.push(member);
                    if member == node {
                        break;
                    }
                }
                found.push(component);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn graph(edges: &[&[usize]]) -> Graph {
        Graph {
            edges: edges.iter().map(|e| e.to_vec()).collect(),
        }
    }

    // proves: Q-4
    #[test]
    fn waves_are_depths() {
        let g = graph(&[&[], &[0], &[0], &[1, 2], &[]]);
        assert_eq!(g.waves(), [Some(1), Some(2), Some(2), Some(3), Some(1)]);
        assert_eq!(g.critical_paths(), [3, 2, 2, 1, 1]);
    }

    #[test]
    fn a_cycle_is_printed_whole_from_its_first_task() {
        assert_eq!(cycles(&graph(&[&[1], &[2], &[0], &[0]])), [[0, 1, 2]]);
        assert_eq!(cycles(&graph(&[&[0]])), [[0]]);
        assert_eq!(cycles(&graph(&[&[1], &[0], &[3], &[2]])), [[0, 1], [2, 3]]);
        assert!(cycles(&graph(&[&[], &[0], &[1]])).is_empty());
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_does_not_overflow_the_stack() {
        let n = 100_000;
        let mut edges: Vec<Vec<usize>> = (0..n)
            .map(|i| if i == 0 { vec![] } else { vec![i - 1] })
            .collect();
        assert!(
            cycles(&Graph {
                edges: edges.clone()
            })
            .is_empty()
        );
        assert_eq!(
            Graph {
                edges: edges.clone()
            }
            .waves()[n - 1],
            Some(n as u32)
        );
        edges[0].push(n - 1);
        assert_eq!(cycles(&Graph { edges })[0].len(), n);
    }

    proptest! {
        #[test]
        fn a_graph_has_waves_exactly_where_it_has_no_cycle(
            edges in prop::collection::vec(prop::collection::vec(0usize..8, 0..3), 8)
        ) {
            let g = Graph { edges };
            let cyclic = cycles(&g);
            let waves = g.waves();
            prop_assert_eq!(cyclic.is_empty(), waves.iter().all(Option::is_some));
            for cycle in cyclic {
                for (i, &node) in cycle.iter().enumerate() {
                    prop_assert!(g.edges[node].contains(&cycle[(i + 1) % cycle.len()]));
                }
            }
            for (node, wave) in waves.iter().enumerate() {
                for &d in &g.edges[node] {
                    if let (Some(mine), Some(theirs)) = (wave, waves[d]) {
                        prop_assert!(theirs < *mine);
                    }
                }
            }
        }
    }
}
