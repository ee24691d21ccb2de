-- One row per age of 1, 3, 6 and 12 months, figure and cohort: the cohort against all others of that age, pooled.
-- The first cohort of the data and months that have not ended take no part; an age is there from three cohorts on.
-- Intervals are 95 %: Newcombe's for the rate, Welch's for money. q is p after correction for the cohorts compared
-- at this age in this figure. Small cohorts (`low_n`) are shown, but neither ranked nor judged; sales per retained
-- customer are ranked, but judged only where both sides have enough of these. `net_sales` depends on how many
-- customers were won.
with clock as (
    select
        p.min_group_size,
        k.currency
    from core.parameters as p
    cross join core.clock as k
),

ages as (
    select a.period_index
    from (values (1), (3), (6), (12)) as a(period_index)
),

cells as (
    select
        r.period_index,
        r.cohort,
        r.cohort_month,
        r.cohort_size,
        r.retained_customers,
        r.net_sales,
        r.cum_net_sales
    from cohort.retention as r
    inner join ages as a on r.period_index = a.period_index
    where r.variant = 'all' and r.cohort_month is not null and r.cohort_size > 0
        and r.is_complete and not r.is_left_censored
),

customer_months as (
    select
        m.customer_id,
        m.cohort_month,
        m.period_index,
        m.orders,
        m.net_sales
    from cohort.customer_months as m
),

spent as (
    select
        m.cohort_month,
        a.period_index,
        m.customer_id,
        sum(m.net_sales) as cum_net_sales,
        coalesce(sum(m.net_sales) filter (where m.period_index = a.period_index), 0) as net_sales,
        count(*) filter (where m.period_index = a.period_index and m.orders > 0) as is_retained
    from customer_months as m
    inner join ages as a on m.period_index <= a.period_index
    group by m.cohort_month, a.period_index, m.customer_id
),

squares as (
    select
        s.cohort_month,
        s.period_index,
        sum(s.cum_net_sales * s.cum_net_sales) as cum_squares,
        sum(s.net_sales * s.net_sales) as squares,
        coalesce(sum(s.net_sales) filter (where s.is_retained > 0), 0) as retained_net_sales
    from spent as s
    group by s.cohort_month, s.period_index
),

measured as (
    select
        c.period_index,
        'retention_rate' as metric,
        c.cohort,
        c.cohort_size,
        c.cohort_size as members,
        c.retained_customers::numeric(18, 4) as numerator,
        c.cohort_size as denominator,
        0 as squares,
        0 as products
    from cells as c
    union all
    select
        c.period_index,
        'cum_net_sales_per_customer' as metric,
        c.cohort,
        c.cohort_size,
        c.cohort_size as members,
        c.cum_net_sales as numerator,
        c.cohort_size as denominator,
        s.cum_squares as squares,
        c.cum_net_sales as products
    from cells as c
    inner join squares as s on c.cohort_month = s.cohort_month and c.period_index = s.period_index
    union all
    select
        c.period_index,
        'average_sales_per_retained' as metric,
        c.cohort,
        c.cohort_size,
        c.retained_customers as members,
        c.net_sales as numerator,
        c.retained_customers as denominator,
        s.squares,
        s.retained_net_sales as products
    from cells as c
    inner join squares as s on c.cohort_month = s.cohort_month and c.period_index = s.period_index
    union all
    select
        c.period_index,
        'net_sales' as metric,
        c.cohort,
        c.cohort_size,
        c.cohort_size as members,
        c.net_sales as numerator,
        1 as denominator,
        s.squares,
        c.net_sales as products
    from cells as c
    inner join squares as s on c.cohort_month = s.cohort_month and c.period_index = s.period_index
),

totals as (
    select
        m.period_index,
        m.metric,
        count(*) as cohorts,
        sum(m.cohort_size) as cohort_size,
        sum(m.members) as members,
        sum(m.numerator) as numerator,
        sum(m.denominator) as denominator,
        sum(m.squares) as squares,
        sum(m.products) as products
    from measured as m
    group by m.period_index, m.metric
    having count(*) >= 3
),

sides as (
    select
        m.period_index,
        m.metric,
        m.cohort,
        'cohort' as side,
        m.cohort_size,
        m.members,
        m.numerator,
        m.denominator,
        m.squares,
        m.products
    from measured as m
    union all
    select
        m.period_index,
        m.metric,
        m.cohort,
        'others' as side,
        t.cohort_size - m.cohort_size as cohort_size,
        t.members - m.members as members,
        t.numerator - m.numerator as numerator,
        t.denominator - m.denominator as denominator,
        t.squares - m.squares as squares,
        t.products - m.products as products
    from measured as m
    inner join totals as t on m.period_index = t.period_index and m.metric = t.metric
),

estimates as (
    select
        s.period_index,
        s.metric,
        s.cohort,
        s.side,
        s.cohort_size,
        s.members,
        s.numerator,
        s.denominator,
        s.numerator::double precision / nullif(s.denominator, 0) as value,
        s.squares::double precision as squares,
        s.squares::double precision
        - 2 * (s.numerator::double precision / nullif(s.members, 0)) * s.products::double precision
        + s.numerator::double precision * (s.numerator::double precision / nullif(s.members, 0)) as residuals,
        case
            when s.metric = 'retention_rate'
                then 1.959964::double precision * 1.959964::double precision / nullif(s.denominator, 0)
        end as z2_n
    from sides as s
),

bounds as (
    select
        e.period_index,
        e.metric,
        e.cohort,
        e.side,
        e.cohort_size,
        e.members,
        e.numerator,
        e.denominator,
        e.value,
        case when e.residuals > 0.000000001::double precision * e.squares then e.residuals else 0 end
        * e.cohort_size / nullif((e.cohort_size - 1)::double precision, 0)
        / nullif(e.denominator::double precision * e.denominator::double precision, 0) as variance,
        greatest(
            (e.value + e.z2_n / 2 - sqrt(e.z2_n * (greatest(e.value * (1 - e.value), 0) + e.z2_n / 4)))
            / nullif(1 + e.z2_n, 0),
            0
        ) as rate_low,
        least(
            (e.value + e.z2_n / 2 + sqrt(e.z2_n * (greatest(e.value * (1 - e.value), 0) + e.z2_n / 4)))
            / nullif(1 + e.z2_n, 0),
            1
        ) as rate_high
    from estimates as e
),

pairs as (
    select
        c.period_index,
        c.metric,
        c.cohort,
        c.cohort_size,
        c.numerator,
        c.denominator,
        c.value,
        o.numerator as baseline_numerator,
        o.denominator as baseline_denominator,
        o.value as baseline_value,
        t.cohorts - 1 as baseline_cohorts,
        c.value - o.value as difference,
        c.metric = 'retention_rate' as is_rate,
        sqrt(c.variance + o.variance) as standard_error,
        sqrt(
            (c.value - c.rate_low) * (c.value - c.rate_low)
            + (o.rate_high - o.value) * (o.rate_high - o.value)
        ) as rate_error_below,
        sqrt(
            (c.rate_high - c.value) * (c.rate_high - c.value)
            + (o.value - o.rate_low) * (o.value - o.rate_low)
        ) as rate_error_above,
        t.numerator::double precision / nullif(t.denominator, 0) as pooled_value,
        c.cohort_size < k.min_group_size
        or (
            c.metric = 'retention_rate'
            and least(t.numerator, t.denominator - t.numerator) * least(c.denominator, o.denominator)
            < 5 * t.denominator
        ) as low_n,
        least(c.members, o.members) >= k.min_group_size as is_testable,
        k.currency
    from bounds as c
    inner join bounds as o
        on c.period_index = o.period_index
        and c.metric = o.metric
        and c.cohort = o.cohort
        and o.side = 'others'
    inner join totals as t on c.period_index = t.period_index and c.metric = t.metric
    cross join clock as k
    where c.side = 'cohort'
),

scores as (
    select
        p.*,
        case
            when p.is_rate
                then p.difference / nullif(
                    sqrt(
                        greatest(p.pooled_value * (1 - p.pooled_value), 0)
                        * (
                            1 / nullif(p.denominator::double precision, 0)
                            + 1 / nullif(p.baseline_denominator::double precision, 0)
                        )
                    ),
                    0
                )
            else p.difference / nullif(p.standard_error, 0)
        end as z
    from pairs as p
),

tails as (
    select
        s.*,
        1 / nullif(1 + 0.5::double precision * (abs(s.z) / sqrt(2::double precision)), 0) as t
    from scores as s
),

chances as (
    select
        t.*,
        case
            when t.is_testable and not t.low_n
                then least(
                    t.t * exp(
                        greatest(
                            -t.z * t.z / 2 - 1.26551223::double precision
                            + t.t * (1.00002368::double precision
                            + t.t * (0.37409196::double precision
                            + t.t * (0.09678418::double precision
                            + t.t * (-0.18628806::double precision
                            + t.t * (0.27886807::double precision
                            + t.t * (-1.13520398::double precision
                            + t.t * (1.48851587::double precision
                            + t.t * (-0.82215223::double precision
                            + t.t * 0.17087277::double precision)))))))),
                            -700
                        )
                    ),
                    1
                )
        end as p_value
    from tails as t
),

ordered as (
    select
        c.period_index,
        c.metric,
        c.cohort,
        c.p_value,
        count(*) over (partition by c.period_index, c.metric) as tests,
        row_number() over (partition by c.period_index, c.metric order by c.p_value, c.cohort) as place
    from chances as c
    where c.p_value is not null
),

corrected as (
    select
        o.period_index,
        o.metric,
        o.cohort,
        least(
            min(o.p_value * o.tests / nullif(o.place, 0)) over (
                partition by o.period_index, o.metric
                order by o.place desc
                rows between unbounded preceding and current row
            ),
            1
        ) as q_value
    from ordered as o
),

ranks as (
    select
        c.period_index,
        c.metric,
        c.cohort,
        dense_rank() over (partition by c.period_index, c.metric order by c.value desc) as dense_rank,
        count(*) over (partition by c.period_index, c.metric) as ranked_cohorts
    from chances as c
    where not c.low_n and c.value is not null
),

final as (
    select
        c.period_index,
        c.metric,
        c.cohort,
        m.cohort_month,
        c.cohort_size,
        c.numerator,
        c.denominator,
        c.value,
        c.baseline_cohorts,
        c.baseline_numerator,
        c.baseline_denominator,
        c.baseline_value,
        c.difference,
        case
            when c.is_rate then c.difference - c.rate_error_below
            else c.difference - 1.959964::double precision * c.standard_error
        end as difference_ci_low,
        case
            when c.is_rate then c.difference + c.rate_error_above
            else c.difference + 1.959964::double precision * c.standard_error
        end as difference_ci_high,
        c.p_value,
        q.q_value,
        r.dense_rank,
        r.ranked_cohorts,
        case
            when c.low_n then null
            when q.q_value < 0.05::double precision and c.difference > 0 then 'better'
            when q.q_value < 0.05::double precision and c.difference < 0 then 'worse'
            else 'not distinguishable'
        end as verdict,
        c.low_n,
        case when not c.is_rate then c.currency end as currency
    from chances as c
    inner join cells as m on c.period_index = m.period_index and c.cohort = m.cohort
    left join corrected as q
        on c.period_index = q.period_index and c.metric = q.metric and c.cohort = q.cohort
    left join ranks as r
        on c.period_index = r.period_index and c.metric = r.metric and c.cohort = r.cohort
)

select * from final
