-- Which cohort held best, and which worst?
-- A cohort is who ordered first in one month. For each age (1, 3, 6 and 12 months) and figure the best and
-- the worst cohort, against all other cohorts at the same age. `verdict` says whether the difference is more
-- than chance (q-value below 0.05): where it is `not distinguishable`, being first means little. The first
-- cohort of the data and small ones take no part; an age stands here with three cohorts or more. Why is
-- answered by `why_cohorts_differ`.
with places as (
    select
        r.period_index,
        r.metric,
        row_number() over (
            partition by r.metric, r.period_index order by r.dense_rank, r.cohort
        ) as from_top,
        row_number() over (
            partition by r.metric, r.period_index order by r.dense_rank desc, r.cohort
        ) as from_bottom,
        r.cohort,
        r.cohort_size,
        r.numerator,
        r.denominator,
        r.value,
        r.baseline_value,
        r.difference,
        r.difference_ci_low,
        r.difference_ci_high,
        r.q_value,
        r.ranked_cohorts,
        r.verdict,
        r.currency
    from cohort.ranking as r
    where r.metric in ('retention_rate', 'cum_net_sales_per_customer') and r.dense_rank is not null
),

final as (
    select
        p.metric,
        p.period_index,
        case p.from_top when 1 then 'best' else 'worst' end as side,
        p.cohort,
        p.cohort_size,
        p.numerator,
        p.denominator,
        p.value,
        p.baseline_value,
        p.difference,
        p.difference_ci_low,
        p.difference_ci_high,
        p.q_value,
        p.verdict,
        p.ranked_cohorts,
        p.currency
    from places as p
    where p.from_top = 1 or (p.from_bottom = 1 and p.from_top > 1)
)

select * from final
order by metric desc, period_index, side
