/**
 * Owns: every cap and default time of the product, with unit and reason. Add yours here; assert relations in test/common/cluster_limits.test.ts.
 */
export const LIMITS = {
  /** A shard count beyond this is a typo: the tree and the buffers grow with it. */
  maxShards: 1024,
  /** Models whose replicas stay open between calls of fit(), evaluate() and predict(): a GAN has two or three; each holds threads and memory. */
  maxWarmModels: 4,
  /** Kinds of data that a model's open replicas are bound to side by side: each keeps its compiled steps. */
  maxWarmBindings: 8,
  /** Longest turn of the main thread's event loop in reduction and SGD, ms; sockets and signals wait behind it. */
  maxTurnMs: 10,
  /** Threads that share a step's update: beyond these it is memory that is waited for. */
  maxUpdateThreads: 8,
  /** Trained numbers from which on they do, 16 slices of them: with fewer, telling the threads takes longer than the update. */
  minSharedUpdate: 2 ** 18,
  /** Largest IDX file (uncompressed, bytes) that is read: what its header declares is allocated, and a typed array holds no more on Node 20. */
  maxIdxBytes: 2 ** 32,
  /** Examples of a data module's read(rows): row numbers are int32. */
  maxReadExamples: 2 ** 31 - 1,
  /** Of an example that bench draws: four batches of one byte each are in memory. */
  maxDrawnValues: 2 ** 28,
  /** Asked of read(rows) at once while all are read the first time: whichever of both is less, so that their memory is bounded. */
  maxRowsReadAtOnce: 4096,
  readSliceBytes: 16 * 2 ** 20,
  /** Examples that a shuffle buffer holds where nobody says how many: whichever of both is less. */
  maxShuffleBuffer: 10_000,
  shuffleBufferBytes: 256 * 2 ** 20,
  /** Global batches after the one that is computed whose rows are read where they are not in memory. */
  batchesReadAhead: 2,
  /** Batches of a dataset that a caller may have read ahead: each is in memory. */
  maxBatchesAhead: 64,
  /** Largest file accepted from a mirror, bytes: MNIST's largest is 47 MB uncompressed. */
  maxDownloadBytes: 64 * 2 ** 20,
  /** A mirror that sends nothing for this long is given up, ms. */
  mirrorIdleTimeoutMs: 15_000,
  /** A file that is not here after this long is fetched from the next mirror, ms. */
  mirrorTotalTimeoutMs: 300_000,
  /** One slice of hashing or writing a state or a saved model, bytes: about 1 ms each, so saving never holds the event loop. */
  storageSliceBytes: 2 ** 20,
  /** Header of a state file, bytes: some thousand weights with their slots. Parsing makes many times the text in memory. */
  maxStateHeaderBytes: 2 * 2 ** 20,
  /** Brackets, commas and colons in that header: bounds the objects that parsing makes. */
  maxStateHeaderTokens: 2 ** 18,
  /** Nesting in that header: it needs 3. */
  maxStateHeaderDepth: 8,
  /** config.yaml of a run folder, bytes: our own has 3,000. */
  maxConfigBytes: 2 ** 20,
  /** model.json of a saved model, bytes. */
  maxModelJsonBytes: 64 * 2 ** 20,
  /** Weights of saved models that a resume reads again to find damage, bytes: some seconds of a disk. Of more the sizes alone are compared. */
  maxModelBytesChecked: 4 * 2 ** 30,
  /** State files kept beyond this are a typo. */
  maxKeptStates: 10_000,
  /** Metrics lines that wait for a disk that refuses them; beyond it the run stops, because resuming could not close the gap. */
  maxPendingMetricsLines: 100_000,
  /** The holder of a run folder shows that it lives this often, ms. */
  lockBeatMs: 5_000,
  /** A lock of another host counts as abandoned after this long without a beat, ms: four beats missed. */
  lockSilenceMs: 20_000,
  /** From SIGTERM to giving up on the step in flight, ms: leaves 2 of the 10 s for saving. */
  stopGraceMs: 8_000,
  /** From SIGTERM to the forced end of the process, ms. */
  stopDeadlineMs: 9_500,
  /** A Ctrl-C within this time of the first request is the same one, passed on by a launcher (npm, tsx, concurrently), ms. */
  stopRepeatMs: 500,
  /** Before the first step: from a request to the forced end, ms; a folder that nothing was computed in is taken away meanwhile. */
  stopLeaveMs: 1_000,

  /** Replicas on the CPU for each core: more only take each other's time and about 100 MB of memory each. */
  cpuReplicasPerCore: 8,
  /** Whatever the cores: a small machine may rehearse a large one. */
  cpuReplicasAnywhere: 32,

  /** A shard unanswered for max(floor, factor × 95th percentile) is lost; the floor covers a collecting peer, a cold page cache, a stopped laptop. */
  shardDeadlineFloorMs: 30_000,
  shardDeadlineFactor: 5,
  /** Deadline before any shard was measured: recording the step and first allocations are in it. */
  firstShardDeadlineMs: 300_000,
  /** A free replica repeats a shard that has taken max(floor, factor × median); below the floor a copy costs more than it saves. */
  stragglerFloorMs: 100,
  /** The same between threads of one machine, which share its cores. */
  localStragglerFloorMs: 20_000,
  stragglerFactor: 3,
  /** A shard that took processes on so many machines, or so many processes in a row where fewer machines are there, is the cause, not the victim. */
  maxMachinesPerShard: 3,
  maxLossesPerShard: 16,
  /** A process that was gone with a shard and has not come back after this long died of it, ms: its silence, its pauses and its login fit in. */
  returnGraceMs: 30_000,
  /** Who just lost a shard is given none for this long, doubled each time up to the maximum, ms. */
  firstPauseMs: 1_000,
  maxPauseMs: 60_000,
  /** A process shows itself that it runs this often, ms; after so long without it was stopped, or blocked as if it were. */
  processBeatMs: 1_000,
  processStoppedMs: 5_000,
  /** Weights that stay on a device are copied to the host at least this often, ms: below `stopGraceMs`, so that a run of longer steps can always save. */
  residentHomeMs: 5_000,
  /** A replica that keeps the weights begins the next step before it is asked where steps take less, ms: of longer ones the wait between them is no part. */
  earlyStepMs: 250,
  /** A replica that is alone takes up to so many steps in one call, as many as last no longer, ms: a stop waits for them. */
  stretchSteps: 128,
  stretchMs: 200,
  /** And as many as have no more of rows, bytes: they are read before its first step, and those of the next one may be there too. */
  stretchRowBytes: 16 * 2 ** 20,
  /** It takes so many singly before, and twice as many each time that some were computed for nothing, up to a bound. */
  stretchAfterSteps: 16,
  stretchMostSingly: 4_096,
  /** Weights and slots times shards up to which it does that, bytes: while a step of it is computed there is a third version of them, and a gradient of each shard. */
  stretchBytes: 8 * 2 ** 20,
  /** The same up to which it begins the next stretch before it is asked, bytes: while one is committed there is one version more. */
  stretchEarlyBytes: 2 ** 20,
  /** So long it is waited for a replica that is to hand its weights over, or to end a step with others, ms; a shard under way comes first. */
  residentAnswerMs: 60_000,
  /** Of several that could hand the weights over each is waited for so long before the next one is asked, ms: below `stopGraceMs`. */
  residentSoonMs: 1_500,
  /** A replica's thread that does not end within this is left behind, ms: it has nothing to do when it is closed, unless it hangs. */
  replicaCloseMs: 10_000,
  /** Node's timers overflow at 2^31 ms; an hour is far below and costs nothing to renew. */
  maxTimerMs: 3_600_000,

  /** pip that brings nothing for this long is stopped, ms: its own retries with back-off stay below. */
  fetchStallMs: 300_000,
  /** Between two lines of a fetch's progress, ms. */
  fetchReportMs: 2_000,
  /** msgpack header of a frame, bytes: the largest message has some thousand bytes. */
  maxHeaderBytes: 64 * 2 ** 10,
  /** Sums of metrics that a shard answers with: 200 for an area under a curve by thresholds, and room for ten of them. */
  maxMetricSums: 2048,
  /** Nesting and number of values in it: `hello` with the names of 64 replicas has the most. */
  maxHeaderDepth: 6,
  maxHeaderItems: 4096,
  /** Tensor bytes in one frame: large enough to cost no throughput, small enough for one side to check a piece while the next is under way. */
  maxPieceBytes: 2 ** 20,
  /** Bytes waiting in one socket; gradient and parameter buffers are counted apart. */
  maxSocketQueueBytes: 16 * 2 ** 20,
  /** Distinct shard sizes of a run: two of a whole batch, two of the last. */
  maxShardSizes: 4,
  /** A worker process hosts one replica per device. */
  maxReplicasPerWorker: 64,
  /** Characters of a worker's name: it is in each line about it. */
  maxWorkerNameLength: 100,
  /** The losses of a model's outputs, or one of its metrics: an output and a name each. */
  maxLossTextLength: 4096,
  /** Model topology (JSON) on the wire, bytes, and weights in all. */
  maxTopologyBytes: 16 * 2 ** 20,
  /** Brackets, commas and colons in it, which bound the objects that parsing makes: a network of 1,000 layers has some 100,000. */
  maxTopologyTokens: 2 ** 20,
  /** Copies of all weights that a coordinator holds at most: parameters twice, slots, their bytes for workers, a state under way. */
  weightCopies: 8,
  maxWireWeights: 2 ** 30,
  /** The same in a worker, for each replica: weights, gradient, what is on its way, the next weights. */
  workerWeightCopies: 4,
  /** Weight tensors of a model: the largest published networks have some thousand. */
  maxWeights: 10_000,
  /** Each side speaks this often, and counts the other as gone after this long without a word, ms. */
  heartbeatMs: 2_000,
  heartbeatTimeoutMs: 10_000,
  /** A frame that takes longer than this, ms, must bring, or be taken at, this many bytes a second on average: a peer that only trickles holds memory. */
  trickleWindowMs: 30_000,
  trickleBytesPerS: 1_024,
  /** Shortest and longest `--silence`, ms: below it a beat that is late reads as a death. */
  minSilenceMs: 2_000,
  maxSilenceMs: 3_600_000,
  /** A piece of which the other side takes no byte for this long ends the session, ms. */
  sendTimeoutMs: 30_000,
  /** Each question of a login is answered within this, ms; and the login followed by `hello`, and that by `welcome`. */
  loginTimeoutMs: 5_000,
  helloTimeoutMs: 10_000,
  /** Bytes that go with `hello`, and with a `welcome` that has no topology: more than any packet, so that a path that swallows large ones shows itself at once. */
  pathProbeBytes: 16 * 2 ** 10,
  /** From the coordinator's `describe` to the first bytes of the answer, ms: the worker has the model ready. */
  describeTimeoutMs: 30_000,
  /** From a worker's `prepared` to the coordinator's verdict, ms: several who prepared before it may each let their `describe` pass. */
  verdictTimeoutMs: 300_000,
  /** Two workers differ, and nothing says which is right: a third comes within this, ms, or the run ends. Below the time a verdict may take. */
  disputeMs: 60_000,
  /** From `leaving`, or the last result after it, to the coordinator's goodbye, ms. */
  goodbyeTimeoutMs: 5_000,
  /** A worker may fetch data and TensorFlow in between, ms. */
  prepareTimeoutMs: 3_600_000,
  /** Life of a challenge, ms. */
  nonceLifeMs: 10_000,
  /** Connections that have not logged in; beyond it the oldest makes room. */
  maxStrangers: 256,
  maxSessions: 256,
  /** Who measures the way and does not work: at once; the bytes that one may move both ways, and may make the coordinator hold; its life, ms. */
  maxProbes: 4,
  probeBytes: 20 * 2 ** 20,
  probeHeldBytes: 2 * 2 ** 20,
  probeLifeMs: 15_000,
  /** Dashboards open at once; each costs a write to a socket twice a second. */
  maxViewers: 64,
  /** What a viewer has not taken yet, bytes: beyond it the viewer is let go, and comes back to all of it in one. */
  maxViewerQueueBytes: 2 * 2 ** 20,
  /** HTTP head of challenge and upgrade, bytes. */
  maxHttpHeadBytes: 8 * 2 ** 10,
  /** A worker tries again after a random share of this, doubled each time up to the maximum, ms. */
  reconnectFirstMs: 500,
  reconnectMaxMs: 10_000,
  /** How long a worker looks for a coordinator that it never saw, or that went away, ms; `--wait` gives another. */
  workerWaitMs: 600_000,
} as const;
