-- One row per cohort, baseline, age and driver: what moves the net sales per acquired customer up to that age.
-- Descriptive, not causal: it says where a difference lies, not why. The first cohort of the data takes no part.
-- Level `factor` splits the figure into active months x orders x value per order, or into six factors (Shapley
-- values); `mix` and `rate` split it over the groups of one dimension (Kitagawa): other customers, or the same
-- spending otherwise; a dimension with one group is left out. The effects of one split add up to the difference
-- exactly. Splits are alternatives and must not be added together.
with parameters as (
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

months as (
    select
        r.variant,
        r.dimension_value,
        r.dimension_name,
        r.cohort,
        r.cohort_month,
        r.period_index,
        r.cohort_size,
        r.cum_net_sales,
        sum(r.retained_customers) over w as active_months,
        sum(r.orders) over w as orders,
        sum(r.units) over w as units,
        sum(r.gross_sales) over w as gross_sales,
        sum(r.discounts) over w as discounts
    from cohort.retention as r
    where r.variant <> 'campaign' and r.cohort_month is not null and r.cohort_size > 0
        and r.is_complete and not r.is_left_censored
    window w as (
        partition by r.variant, r.dimension_value, r.cohort
        order by r.period_index
        rows between unbounded preceding and current row
    )
),

cells as (
    select
        m.variant,
        m.dimension_value,
        m.dimension_name,
        m.cohort,
        m.cohort_month,
        m.period_index,
        m.cohort_size,
        m.cum_net_sales,
        m.active_months,
        m.orders,
        m.units,
        m.gross_sales,
        m.discounts
    from months as m
    inner join ages as a on m.period_index = a.period_index
),

cohorts as (
    select
        c.cohort,
        c.cohort_month,
        c.period_index,
        lag(c.cohort_month) over (partition by c.period_index order by c.cohort_month) as previous_month,
        (c.cohort_month - interval '12 months')::date as year_ago_month
    from cells as c
    where c.variant = 'all'
),

comparisons as (
    select 'earlier' as baseline, c.cohort, c.period_index, b.cohort_month as baseline_month
    from cohorts as c
    inner join cohorts as b on c.period_index = b.period_index and b.cohort_month < c.cohort_month
    union all
    select 'previous' as baseline, c.cohort, c.period_index, c.previous_month as baseline_month
    from cohorts as c
    where c.previous_month is not null
    union all
    select 'year_ago' as baseline, c.cohort, c.period_index, b.cohort_month as baseline_month
    from cohorts as c
    inner join cohorts as b on c.period_index = b.period_index and b.cohort_month = c.year_ago_month
),

baselines as (
    select
        p.baseline,
        p.cohort,
        p.period_index,
        count(*) as baseline_cohorts
    from comparisons as p
    group by p.baseline, p.cohort, p.period_index
),

both_sides as (
    select
        b.baseline,
        b.cohort,
        b.period_index,
        1 as side,
        c.variant,
        c.dimension_value,
        c.dimension_name,
        c.cohort_size,
        c.cum_net_sales,
        c.active_months,
        c.orders,
        c.units,
        c.gross_sales,
        c.discounts
    from baselines as b
    inner join cells as c on b.cohort = c.cohort and b.period_index = c.period_index
    union all
    select
        p.baseline,
        p.cohort,
        p.period_index,
        0 as side,
        c.variant,
        c.dimension_value,
        c.dimension_name,
        c.cohort_size,
        c.cum_net_sales,
        c.active_months,
        c.orders,
        c.units,
        c.gross_sales,
        c.discounts
    from comparisons as p
    inner join cells as c on p.baseline_month = c.cohort_month and p.period_index = c.period_index
),

groups as (
    select
        s.baseline,
        s.cohort,
        s.period_index,
        s.variant,
        s.dimension_value,
        max(s.dimension_name) as dimension_name,
        coalesce(sum(s.cohort_size) filter (where s.side = 1), 0) as n1,
        coalesce(sum(s.cohort_size) filter (where s.side = 0), 0) as n0,
        coalesce(sum(s.cum_net_sales) filter (where s.side = 1), 0) as sales1,
        coalesce(sum(s.cum_net_sales) filter (where s.side = 0), 0) as sales0,
        sum(s.active_months) filter (where s.side = 1) as active1,
        sum(s.active_months) filter (where s.side = 0) as active0,
        sum(s.orders) filter (where s.side = 1) as orders1,
        sum(s.orders) filter (where s.side = 0) as orders0,
        sum(s.units) filter (where s.side = 1) as units1,
        sum(s.units) filter (where s.side = 0) as units0,
        sum(s.gross_sales) filter (where s.side = 1) as gross1,
        sum(s.gross_sales) filter (where s.side = 0) as gross0,
        sum(s.gross_sales - s.discounts) filter (where s.side = 1) as paid1,
        sum(s.gross_sales - s.discounts) filter (where s.side = 0) as paid0
    from both_sides as s
    group by s.baseline, s.cohort, s.period_index, s.variant, s.dimension_value
),

wholes as (
    select
        g.baseline,
        g.cohort,
        g.period_index,
        g.n1,
        g.n0,
        g.sales1::double precision / nullif(g.n1, 0) as value1,
        g.sales0::double precision / nullif(g.n0, 0) as value0,
        g.active1::double precision / nullif(g.n1, 0) as active1,
        g.active0::double precision / nullif(g.n0, 0) as active0,
        g.orders1::double precision / nullif(g.active1, 0) as frequency1,
        g.orders0::double precision / nullif(g.active0, 0) as frequency0,
        g.sales1::double precision / nullif(g.orders1, 0) as order_sales1,
        g.sales0::double precision / nullif(g.orders0, 0) as order_sales0,
        g.units1::double precision / nullif(g.orders1, 0) as order_units1,
        g.units0::double precision / nullif(g.orders0, 0) as order_units0,
        g.gross1::double precision / nullif(g.units1, 0) as price1,
        g.gross0::double precision / nullif(g.units0, 0) as price0,
        g.paid1::double precision / nullif(g.gross1, 0) as paid_share1,
        g.paid0::double precision / nullif(g.gross0, 0) as paid_share0,
        g.sales1::double precision / nullif(g.paid1, 0) as kept_share1,
        g.sales0::double precision / nullif(g.paid0, 0) as kept_share0
    from groups as g
    where g.variant = 'all'
),

chains as (
    select
        w.baseline,
        w.cohort,
        w.period_index,
        'three factors' as dimension,
        w.active1 as a1,
        w.active0 as a0,
        w.frequency1 as b1,
        w.frequency0 as b0,
        w.order_sales1 as c1,
        w.order_sales0 as c0,
        1::double precision as d1,
        1::double precision as d0,
        1::double precision as e1,
        1::double precision as e0,
        1::double precision as f1,
        1::double precision as f0
    from wholes as w
    where w.order_sales1 is not null and w.order_sales0 is not null
    union all
    select
        w.baseline,
        w.cohort,
        w.period_index,
        'six factors' as dimension,
        w.active1 as a1,
        w.active0 as a0,
        w.frequency1 as b1,
        w.frequency0 as b0,
        w.order_units1 as c1,
        w.order_units0 as c0,
        w.price1 as d1,
        w.price0 as d0,
        w.paid_share1 as e1,
        w.paid_share0 as e0,
        w.kept_share1 as f1,
        w.kept_share0 as f0
    from wholes as w
    where w.kept_share1 is not null and w.kept_share0 is not null
),

nodes as (
    select
        n.node,
        0.5::double precision + n.side * sqrt(0.15::double precision) as x,
        n.weight / 18::double precision as w
    from (values (1, -1, 5), (2, 0, 8), (3, 1, 5)) as n(node, side, weight)
),

points as (
    select
        c.baseline,
        c.cohort,
        c.period_index,
        c.dimension,
        n.node,
        n.w,
        c.a0 + n.x * (c.a1 - c.a0) as a,
        c.b0 + n.x * (c.b1 - c.b0) as b,
        c.c0 + n.x * (c.c1 - c.c0) as c,
        c.d0 + n.x * (c.d1 - c.d0) as d,
        c.e0 + n.x * (c.e1 - c.e0) as e,
        c.f0 + n.x * (c.f1 - c.f0) as f
    from chains as c
    cross join nodes as n
),

slopes as (
    select
        p.baseline,
        p.cohort,
        p.period_index,
        p.dimension,
        sum(p.w * p.b * p.c * p.d * p.e * p.f order by p.node) as a,
        sum(p.w * p.a * p.c * p.d * p.e * p.f order by p.node) as b,
        sum(p.w * p.a * p.b * p.d * p.e * p.f order by p.node) as c,
        sum(p.w * p.a * p.b * p.c * p.e * p.f order by p.node) as d,
        sum(p.w * p.a * p.b * p.c * p.d * p.f order by p.node) as e,
        sum(p.w * p.a * p.b * p.c * p.d * p.e order by p.node) as f
    from points as p
    group by p.baseline, p.cohort, p.period_index, p.dimension
),

names as (
    select n.dimension, n.slot, n.member
    from (
        values
            ('three factors', 1, 'active_months_per_customer'),
            ('three factors', 2, 'orders_per_active_month'),
            ('three factors', 3, 'net_sales_per_order'),
            ('six factors', 1, 'active_months_per_customer'),
            ('six factors', 2, 'orders_per_active_month'),
            ('six factors', 3, 'units_per_order'),
            ('six factors', 4, 'gross_price_per_unit'),
            ('six factors', 5, 'paid_share_of_gross'),
            ('six factors', 6, 'kept_share_of_paid')
    ) as n(dimension, slot, member)
),

factors as (
    select
        c.baseline,
        c.cohort,
        c.period_index,
        'factor' as level,
        c.dimension,
        n.member,
        n.member as member_name,
        case n.slot
            when 1 then c.a1 when 2 then c.b1 when 3 then c.c1 when 4 then c.d1 when 5 then c.e1 else c.f1
        end as member_value,
        case n.slot
            when 1 then c.a0 when 2 then c.b0 when 3 then c.c0 when 4 then c.d0 when 5 then c.e0 else c.f0
        end as member_baseline_value,
        case n.slot
            when 1 then (c.a1 - c.a0) * s.a
            when 2 then (c.b1 - c.b0) * s.b
            when 3 then (c.c1 - c.c0) * s.c
            when 4 then (c.d1 - c.d0) * s.d
            when 5 then (c.e1 - c.e0) * s.e
            else (c.f1 - c.f0) * s.f
        end as effect
    from chains as c
    inner join slopes as s
        on c.baseline = s.baseline
        and c.cohort = s.cohort
        and c.period_index = s.period_index
        and c.dimension = s.dimension
    inner join names as n on c.dimension = n.dimension
),

parts as (
    select
        g.baseline,
        g.cohort,
        g.period_index,
        g.variant as dimension,
        g.dimension_value as member,
        g.dimension_name as member_name,
        g.n1,
        g.n0,
        g.n1::double precision / nullif(w.n1, 0) as w1,
        g.n0::double precision / nullif(w.n0, 0) as w0,
        g.sales1::double precision / nullif(g.n1, 0) as own1,
        g.sales0::double precision / nullif(g.n0, 0) as own0,
        coalesce(g.sales1::double precision / nullif(g.n1, 0), g.sales0::double precision / nullif(g.n0, 0))
            as r1,
        coalesce(g.sales0::double precision / nullif(g.n0, 0), g.sales1::double precision / nullif(g.n1, 0))
            as r0,
        (w.value0 + w.value1) / 2 as middle,
        count(*) over (partition by g.baseline, g.cohort, g.period_index, g.variant) as members
    from groups as g
    inner join wholes as w
        on g.baseline = w.baseline and g.cohort = w.cohort and g.period_index = w.period_index
    where g.variant <> 'all'
),

effects as (
    select
        f.baseline,
        f.cohort,
        f.period_index,
        f.level,
        f.dimension,
        f.member,
        f.member_name,
        f.member_value,
        f.member_baseline_value,
        null::double precision as member_share,
        null::double precision as member_baseline_share,
        f.effect,
        w.n1 as n_cohort,
        w.n0 as n_baseline
    from factors as f
    inner join wholes as w
        on f.baseline = w.baseline and f.cohort = w.cohort and f.period_index = w.period_index
    union all
    select
        p.baseline,
        p.cohort,
        p.period_index,
        'mix' as level,
        p.dimension,
        p.member,
        p.member_name,
        p.own1 as member_value,
        p.own0 as member_baseline_value,
        p.w1 as member_share,
        p.w0 as member_baseline_share,
        (p.w1 - p.w0) * ((p.r0 + p.r1) / 2 - p.middle) as effect,
        p.n1 as n_cohort,
        p.n0 as n_baseline
    from parts as p
    where p.members > 1
    union all
    select
        p.baseline,
        p.cohort,
        p.period_index,
        'rate' as level,
        p.dimension,
        p.member,
        p.member_name,
        p.own1 as member_value,
        p.own0 as member_baseline_value,
        p.w1 as member_share,
        p.w0 as member_baseline_share,
        (p.r1 - p.r0) * ((p.w0 + p.w1) / 2) as effect,
        p.n1 as n_cohort,
        p.n0 as n_baseline
    from parts as p
    where p.members > 1 and p.own1 is not null and p.own0 is not null
),

final as (
    select
        e.cohort,
        e.baseline,
        'cum_net_sales_per_customer' as metric,
        e.period_index,
        e.level,
        e.dimension,
        e.member,
        e.member_name,
        e.member_value,
        e.member_baseline_value,
        e.member_share,
        e.member_baseline_share,
        e.effect,
        e.effect / nullif(w.value1 - w.value0, 0) as share_of_change,
        w.value1 as value,
        w.value0 as baseline_value,
        w.value1 - w.value0 as difference,
        b.baseline_cohorts,
        e.n_cohort,
        e.n_baseline,
        least(e.n_cohort, e.n_baseline) < p.min_group_size as low_n,
        p.currency
    from effects as e
    inner join wholes as w
        on e.baseline = w.baseline and e.cohort = w.cohort and e.period_index = w.period_index
    inner join baselines as b
        on e.baseline = b.baseline and e.cohort = b.cohort and e.period_index = b.period_index
    cross join parameters as p
)

select * from final
