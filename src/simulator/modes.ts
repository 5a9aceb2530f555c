/** What a run is about; without one of these: safety, healing and liveness in turn. */
export const simulationModes = ['safety', 'liveness', 'beyond-repair'] as const;

/** `beyond-repair`: all copies of something are destroyed, and a safe halt with a name is required. */
export type SimulationMode = (typeof simulationModes)[number];
