"""All numbers that the alignment was tuned with, in one place.

``ROBUST`` is what :class:`~sklearn_align.MiniVec2Vec` does by default, ``PAPER`` is mini-vec2vec as
published. A recipe names the settings of initializations and refinements as keyword arguments of
their classes; the other groups belong to one module each, which is named in their docstring.

The values of ``ROBUST`` were chosen on sentence encoders other than those of the published tables,
see the notes of the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Contrast = Literal["logcosh", "skew"]
Settings = Mapping[str, Any]


def _settings(**values: Any) -> Settings:
    """Keyword arguments of a class, read-only."""
    return MappingProxyType(values)


@dataclass(frozen=True)
class Recipe:
    """Settings of the initializations, of the selection and of the refinements."""

    # Arguments of `starts.ComponentStart` (ROBUST) or of `starts.AnchorStart` (PAPER). As many
    # candidates as ROBUST has starts are made with n_init="auto".
    starts: tuple[Settings, ...]
    # Class name in `refinements` and its arguments.
    refinements: tuple[tuple[str, Settings], ...]


# Few components are found reliably, many cover more of the space. Which is better depends on the
# data, so the initializations differ in number of components, contrast and matched fraction.
ROBUST = Recipe(
    starts=(
        _settings(n_components=96, contrast="skew", matched_fraction=0.8),
        _settings(n_components=80, contrast="logcosh", matched_fraction=0.8),
        _settings(n_components=128, contrast="logcosh", matched_fraction=0.8),
        _settings(n_components=80, contrast="skew", matched_fraction=0.8),
        _settings(n_components=96, contrast="logcosh"),
        _settings(n_components=128, contrast="skew"),
        _settings(n_components=112, contrast="logcosh"),
        _settings(n_components=64, contrast="skew"),
        _settings(n_components=72, contrast="logcosh", matched_fraction=0.8),
        _settings(n_components=88, contrast="skew", matched_fraction=0.8),
        _settings(n_components=88, contrast="logcosh", matched_fraction=0.8),
        _settings(n_components=112, contrast="skew"),
    ),
    refinements=(
        (
            "TransportRefinement",
            _settings(
                max_iter=120, epsilon=(0.05, 0.045), momentum=0.5, n_iter_no_change=6, tol=0.001
            ),
        ),
        # The score hardly rises any more, but weak directions still turn: no early stop.
        (
            "StochasticTransportRefinement",
            _settings(max_iter=2, target_sample_size=7000, step=(1.0, 0.5)),
        ),
        ("StochasticTransportRefinement", _settings(max_iter=5, whitening=0.3)),
    ),
)

# The defaults of the three classes are the published values.
PAPER = Recipe(
    starts=(_settings(),),
    refinements=(("NeighborRefinement", _settings()), ("ClusterRefinement", _settings())),
)


@dataclass(frozen=True)
class AnchorSettings:
    """Anchor initialization during the selection, see `starts._anchors`."""

    # Samples of each space that are matched; all of them gain little in 128 dimensions.
    n_match_samples: int = 4000


@dataclass(frozen=True)
class ComponentSettings:
    """Statistics by which components are matched, see `solvers._component_statistics`."""

    # Beyond three standard deviations a sample moment depends on few samples.
    clip: float = 3.0
    # Levels of the quantiles that describe a component: 4 + 19 + 4.
    tail_quantiles: tuple[float, ...] = (0.002, 0.005, 0.01, 0.02)
    n_inner_quantiles: int = 19
    inner_quantiles: tuple[float, float] = (0.05, 0.95)
    # Weight of the strength of a component against one quantile.
    strength_weight: float = 2.0
    # Fractions of the samples in the upper and in the lower tail.
    upper_tail: float = 0.1
    lower_tail: float = 0.2


@dataclass(frozen=True)
class IcaSettings:
    """Fixed-point independent component analysis, see `solvers._fastica`."""

    max_iter: int = 60
    tol: float = 1e-3
    # Directions below this fraction of the largest variance are no part of the numerical rank.
    min_variance: float = 1e-6


@dataclass(frozen=True)
class GraphMatchingSettings:
    """Graduated assignment, see `solvers._graph_matching`."""

    n_steps: int = 60
    temperature: tuple[float, float] = (0.5, 0.02)
    noise: float = 0.3
    n_sinkhorn_rounds: int = 10


@dataclass(frozen=True)
class TransportSettings:
    """Details of `refinements.TransportRefinement` that are no parameters."""

    # Directions whose variance is below this fraction of the largest are amplified no further.
    min_variance: float = 1e-3
    # Above this epsilon, exp(cosine / epsilon) stays far inside the range of float32.
    min_unshifted_epsilon: float = 0.025


@dataclass(frozen=True)
class StochasticTransportSettings:
    """Transport from batches to all targets, see `refinements.StochasticTransportRefinement`."""

    # With epsilon="auto": the value for up to so many targets, and how it falls with more.
    reference_epsilon: float = 0.03
    n_reference_targets: int = 7000
    epsilon_power: float = 0.4
    min_epsilon: float = 0.015
    # Weights of target samples: updates with the first batch, power of the update by later ones,
    # and the mass below which a sample counts as if it had received so much.
    n_first_updates: int = 2
    update_power: float = 0.5
    min_mass: float = 0.05
    # Largest similarity divided by epsilon whose exponential is in the range of single precision,
    # also as a sum over the targets.
    max_exponent: float = 70.0
    # Similarities that several passes need are kept up to this size.
    max_kept_bytes: int = 128 * 2**20


@dataclass(frozen=True)
class SelectionSettings:
    """Successive halving over initializations, see `_selection`."""

    # Size of the reduced problem in which candidates are refined and compared.
    n_components: int = 128
    n_samples: int = 8000
    # Samples on which candidates are scored, and on which two maps are compared.
    n_probe_samples: int = 1500
    # Candidates are created in batches; more only while no two of them agree.
    batch_size: int = 3
    n_initial_iterations: int = 15
    # The score tells right maps from wrong ones only after these rounds, so all candidates run
    # them.
    full_rounds: tuple[int, ...] = (15, 30)
    n_finalists: int = 4
    final_rounds: tuple[int, ...] = (30, 30, 30)
    # The selection ends when two independent candidates map this fraction of samples alike, or when
    # the best score rises by less than `min_rise` in a final round.
    min_agreement: float = 0.8
    min_rise: float = 0.001
    # Candidates that map this fraction of samples as the best one does are averaged, and iterations
    # of their mean.
    min_agreement_to_average: float = 0.6
    n_iter_of_mean: int = 30
    # Refinement of candidates: in the first two groups of rounds, and in the final rounds.
    early: Settings = field(
        default_factory=lambda: _settings(
            max_iter=60,
            sample_size=1500,
            epsilon=(0.055, 0.055),
            whitening=(-0.3, 0.0),
            momentum=0.9,
            n_iter_no_change=None,
        )
    )
    late: Settings = field(
        default_factory=lambda: _settings(
            max_iter=90,
            sample_size=1500,
            epsilon=(0.055, 0.05),
            momentum=0.9,
            n_iter_no_change=None,
        )
    )


@dataclass(frozen=True)
class LearningAgainSettings:
    """Maps that are learned again from leading directions of the selected map, see `_leading_part`.

    Chosen on descriptions of packages, between MiniLM, E5 and WordLlama.
    """

    # If the map that is learned from 8 directions has a lower score than the selected one, some of
    # them are wrong, and it is learned from more.
    n_directions: tuple[int, ...] = (8, 16)
    # Runs of the refinement of candidates, their iterations and those whose maps are averaged.
    n_runs: int = 4
    n_iter: int = 60
    n_averaged: int = 30


@dataclass(frozen=True)
class ReflectionSettings:
    """Reflections of candidates that share a map, see `_selection` and `_reflections`."""

    # Principal directions of each space that are reflected.
    n_directions: int = 5
    # Candidates that are reflected besides the shared map: of the better half those that have most
    # in common.
    n_candidates: int = 2
    # Iterations of the shared map, and of the candidates for the reflections that are kept then,
    # and iterations of both for the best reflections.
    n_iter: int = 60
    n_kept: int = 4
    n_more: int = 30
    n_finalists: int = 2
    # How much higher than without a reflection the score has to be.
    min_rise: float = 0.003
    # One reflection after the other.
    max_reflections: int = 3
    # What candidates between unrelated wide spaces have in common is below this. Candidates between
    # narrow spaces, whatever they are, have more in common.
    min_strength: float = 0.4


@dataclass(frozen=True)
class WidthSettings:
    """Whether a space is wide, see `_problem`: what is evidence in wide spaces is none in others.

    By features alone, a narrow space whose features are copied would be wide.
    """

    min_features: int = 128
    # Share of the variance outside the leading directions: .02 or more in encoders and word vectors
    # of 256 features or more.
    n_leading: int = 64
    min_share_of_others: float = 0.01


@dataclass(frozen=True)
class ConvergenceSettings:
    """Convergence check without labels, see `_convergence`."""

    # Wrong maps agree with independent ones on few samples, right maps on nearly all.
    min_agreement: float = 0.7
    # Expected accuracy of a success, measured or estimated.
    min_expected_accuracy: float = 0.5
    # Relative score of the least accurate success. Right maps come close to the score of one space
    # with itself, also between dissimilar encoders. In wide spaces it falls as samples become more,
    # because few samples are fitted by accident.
    min_relative_score: float = 0.6
    min_relative_score_wide: float = 0.4
    # A map that scores far above a space with itself fits the noise of the samples.
    max_credible_score: float = 1.5
    n_probe_samples: int = 1500
    # Independent runs before a map is rejected; more where its score says that it is right, because
    # on hard pairs few initializations lead to the right map.
    min_runs: int = 3
    max_runs: int = 16
    # Below this agreement, refining an independent map further is of no use.
    min_agreement_to_refine: float = 0.05
    # Above this agreement chance is ruled out, and more independent runs are made.
    min_agreement_to_continue: float = 0.35
    # In spaces that are not wide, runs on the same samples agree on their accidents. Of four runs
    # on halves, at most two agree with such maps on as many samples, and at least three with right
    # ones.
    min_agreement_of_halves: float = 0.35
    n_splits: int = 2
    max_disagreeing_halves: int = 1
    # With 125 samples in a half, candidates agree on wrong maps.
    min_samples_to_confirm: int = 250
    # Relative score: samples in each half of a space, number of draws, arbitrary maps per draw.
    n_score_samples: int = 1000
    n_score_draws: int = 2
    max_score_draws: int = 8
    n_arbitrary_maps: int = 5
    n_spare_samples: int = 500
    # Iterations of a run from half of the known pairs.
    n_iterations_from_pairs: int = 60


@dataclass(frozen=True)
class CopySettings:
    """Near copies among the samples of a space, see `_copies`."""

    # Samples are near copies when their squared distance is below this fraction of the usual
    # squared distance to the nearest sample, which is a high quantile because copies lower the
    # median.
    near_copy: float = 0.25
    usual_quantile: float = 0.9
    # Samples among which the usual squared distance is taken in spaces that have more.
    n_drawn: int = 1000
    # Squared distance of equal samples after a projection in single precision.
    rounding: float = 1e-5
    # Samples that are compared with all earlier ones at a time.
    block_size: int = 1000


@dataclass(frozen=True)
class AmbiguitySettings:
    """Maps of a space to itself that show whether it is symmetric, see `_ambiguity`."""

    # Maps of each space, and of narrow spaces, where they take little time. In a space with one
    # mirror image, a map that succeeds leads to it with probability 1/2.
    n_maps: int = 4
    n_maps_narrow: int = 8
    # Samples of each half: more take longer and show no more.
    n_samples: int = 2000
    # Iterations, after each of which a map that agrees with the identity on this fraction of the
    # samples is given up.
    n_iterations: tuple[int, ...] = (5, 10, 45)
    max_agreement: float = 0.35
    # Score of a map relative to that of the identity, both after refinement, where that of
    # reflections of random axes is 0. Maps that are wrong in part have .8 at most.
    n_iterations_of_identity: int = 20
    min_score_fitted: float = 0.85
    # The same without refinement, and how much higher the score of the identity must be than that
    # of reflections.
    min_score_as_given: float = 0.6
    min_gain: float = 0.02
    # Where it rises less, densities tell more than scores.
    max_gain_of_densities: float = 0.06


@dataclass(frozen=True)
class DiscrepancySettings:
    """Comparison of the densities of mapped samples and of targets, see `_discrepancy`."""

    n_samples: int = 1000
    # Of the kernel, as a share of the median distance (one minus the cosine) between samples.
    bandwidth: float = 0.1
    n_arbitrary_maps: int = 6
    # Discrepancy of a map that fits, as a share of that of arbitrary maps: .1 at most for maps that
    # are right or symmetric to them, .3 or more for others.
    max_share: float = 0.2
    # Mean discrepancy of arbitrary maps, in standard deviations of that of equal distributions.
    min_signal: float = 10.0


@dataclass(frozen=True)
class RelearningSettings:
    """Maps that are learned again from a part of a map, see `_relearned`."""

    # From 4 directions, also right maps are not found again; from 16, many wrong ones are.
    n_directions: int = 12
    n_iterations: int = 60
    # Maps that are learned from arbitrary ones reach .65 of the score of right maps at most, and
    # .87 of that of wrong ones at least.
    n_rivals: int = 4
    max_share_of_rivals: float = 0.75


@dataclass(frozen=True)
class EstimateSettings:
    """Estimate of the accuracy without known pairs, see `_expected_accuracy`.

    The coefficients for independent runs are fitted to maps with 3,500 and 7,000 samples: six
    directions between three encoders of short technical texts, four of documentation, and four
    layers and copies of one encoder. Those for unseen samples are fitted to 31 maps of the six
    directions, with 3,500 to 13,500 samples of each side. Those for relearned maps are fitted to 55
    maps of the six directions and of 20 of documentation, with 2,000 to 12,000 samples.
    """

    relearned_intercept: float = -2.6
    slope_of_relearned_agreement: float = 0.62
    slope_of_relearned_score: float = 11.0
    relearned_slope_of_score: float = 1.9
    # Of 1,500 samples, single ones are no evidence beyond these shares.
    relearned_agreement_range: tuple[float, float] = (0.005, 0.995)
    # With fewer samples, halves determine no map.
    min_relearned_samples: int = 1500
    unseen_intercept: float = -2.34
    slope_of_unseen_score: float = 10.6
    unseen_score_range: tuple[float, float] = (-0.5, 1.0)
    intercept: float = -8.37
    slope_of_agreement: float = 1.07
    slope_of_score: float = 3.98
    slope_of_samples: float = 1.01
    # Beyond these values, the figures say nothing more.
    agreement_range: tuple[float, float] = (0.02, 0.99)
    score_range: tuple[float, float] = (0.05, 1.0)
    sample_range: tuple[int, int] = (2000, 30_000)
    # With fewer samples, maps of unrelated narrow spaces have the figures of right maps.
    few_samples: int = 400
    slope_of_few_samples: float = 2.0


@dataclass(frozen=True)
class UnseenSettings:
    """Samples that the search has not seen, on which a map is judged, see `_inputs`."""

    # Samples of each space, enough for two halves of ConvergenceSettings.n_score_samples without
    # their near copies.
    n_samples: int = 2500
    # With as many samples of each space, the search leaves some of them out. With fewer, the map
    # would become worse by more than the better judgement is worth.
    min_samples: int = 15_000


@dataclass(frozen=True)
class HeldOutSettings:
    """Accuracy on known pairs that are left out of a second fit, see `_held_out`."""

    # Target samples among which the expected accuracy is meant.
    n_targets: int = 1000
    # Known pairs from which on the accuracy is measured, and the fraction of them that is left out
    # of a fit. Further fits leave out other pairs until there are as many as wanted, which have a
    # standard error of .06 at most.
    min_pairs: int = 50
    left_out: float = 0.25
    n_wanted: int = 75
    min_left_out: int = 25
    # Fraction of the target samples that is left out at most. A map is more accurate among others
    # than among samples that it was fitted to: with 3,500 samples of each side, by .06.
    targets_left_out: float = 0.25
    # Where left-out pairs hold more of the samples of a space, these are not left out.
    min_kept: float = 0.25
    # How much the log-odds of the accuracy rise with the logarithm of the number of samples.
    slope_of_samples: float = 1.25


@dataclass(frozen=True)
class PairEvidenceSettings:
    """Known pairs that a map has not been fitted to, see `_pair_evidence`."""

    # Pairs and fraction of the pairs that a map has to retrieve: chance retrieves one of 1,000.
    min_retrieved: int = 2
    min_share: float = 0.05
    # Candidates that retrieve less than this fraction of what the best one retrieves come after the
    # others, whatever their score. Candidates that retrieve as many of all pairs end the selection.
    min_share_of_best: float = 0.5
    min_share_to_decide: float = 0.5
    # What confirms a map without independent runs.
    min_retrieved_to_confirm: int = 3
    min_share_to_confirm: float = 0.2
    # Pairs that are retrieved at most, each among 1,000 samples.
    max_judged: int = 1000
    # Pairs that have the standard error of an estimate without pairs.
    n_pairs_of_estimate: int = 10


@dataclass(frozen=True)
class CorrectionSettings:
    """Ridge regression on known pairs, see `_correction`."""

    # Pairs below which correction="auto" leaves the map as it is.
    min_pairs: int = 50
    # With weaker penalties, a few wrong pairs do more harm than right ones do good.
    log_strengths: tuple[float, float] = (0.5, 3.0)
    n_strengths: int = 21
    # Pairs that are left out in turn, and other samples among which counterparts are retrieved.
    n_probe_pairs: int = 1000
    n_reference_samples: int = 1500
    # Of these, the temperature is taken with which a candidate predicts best, so that it is
    # compared by the order of the samples and not by how confident it is.
    temperatures: tuple[float, ...] = (0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 5.0)
    # A correction must raise the mean log-probability by as many standard errors, and by this
    # fraction of its distance from zero. Corrections by wrong pairs do not.
    min_standard_errors: float = 1.0
    min_relative_gain: float = 0.005
    # One minus the cosine below which another sample is the counterpart itself, here and in
    # `_held_out`.
    same_sample: float = 1e-5


@dataclass(frozen=True)
class ScoreSettings:
    """Label-free score, see `_problem`."""

    n_neighbors: int = 10


@dataclass(frozen=True)
class NormalizerSettings:
    """Centre and lengths of a space, see `_normalizer`."""

    # Lengths have long tails if this quantile, relative to their median, is below or above these.
    # Normal samples of three or more features have no long tails.
    tails: tuple[float, float] = (0.05, 0.95)
    short_tail: float = 0.25
    long_tail: float = 2.0
    # One minus the squared length of the mean of unit samples, below which all have one direction.
    min_spread: float = 1e-6
    # Without long tails, a longer sample counts in the mean as if it had this relative length.
    max_relative_length: float = 4.0
    # Samples on which distances from the mean are measured.
    max_samples: int = 10_000
    # New samples whose lengths are compared with those of fit, and the number from which their
    # spread counts.
    n_checked_samples: int = 1000
    min_checked_samples: int = 20
    # Their median may lie outside the tails of the lengths at fit by these factors.
    equal_length_factor: float = 1.1
    length_factor: float = 1.5
    few_lengths_factor: float = 3.0
    # Samples in half precision deviate from unit length by some 1e-4.
    equal_length_tolerance: float = 5e-3
    equal_length_quantile: float = 0.99


@dataclass(frozen=True)
class ReportSettings:
    """What a report computes and what it calls unusual, see `_report`."""

    # Samples of each kind that are looked at, drawn at equal distances.
    max_samples: int = 2000
    # A sample lies outside others if its similarity to their tenth nearest is below this quantile
    # of the similarities that these have among themselves.
    n_neighbors: int = 10
    outside_quantile: float = 0.01
    # Shares of samples outside from which on the report says so. Mapped samples of right maps
    # between independent encoders are outside the target samples in 4% to 26% of cases.
    max_outside_source: float = 0.05
    max_outside_target: float = 0.5
    # Every such pair serves as a query where none are given.
    query_step: int = 5
    # Pairs from which on their accuracy counts for the verdict.
    min_pairs: int = 25


ANCHORS = AnchorSettings()
COMPONENTS = ComponentSettings()
ICA = IcaSettings()
GRAPH_MATCHING = GraphMatchingSettings()
TRANSPORT = TransportSettings()
STOCHASTIC_TRANSPORT = StochasticTransportSettings()
SELECTION = SelectionSettings()
LEARNING_AGAIN = LearningAgainSettings()
REFLECTIONS = ReflectionSettings()
WIDTH = WidthSettings()
CONVERGENCE = ConvergenceSettings()
COPIES = CopySettings()
AMBIGUITY = AmbiguitySettings()
DISCREPANCY = DiscrepancySettings()
RELEARNING = RelearningSettings()
ESTIMATE = EstimateSettings()
UNSEEN = UnseenSettings()
HELD_OUT = HeldOutSettings()
PAIR_EVIDENCE = PairEvidenceSettings()
CORRECTION = CorrectionSettings()
SCORE = ScoreSettings()
NORMALIZER = NormalizerSettings()
REPORT = ReportSettings()
