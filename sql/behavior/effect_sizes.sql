-- One row per dimension (`device_type`, `location`) and outcome (`conversion`, `order_value`): how much all
-- members of the dimension together matter, and whether that could be chance. Conversion: chi-square of
-- independence over the members that behavior.effects tests, with Cramer's V. Order value: Kruskal-Wallis
-- with correction for ties over the members with at least core.parameters.min_group_size buyers, with epsilon
-- squared. For the p-value both are divided by the mean design effect (Rao-Scott), because visits and orders
-- of one visitor resemble each other. Both effect sizes go from 0 (none) to 1; below 0.1 (V) or 0.01 (epsilon
-- squared) little hangs on the dimension. Fewer than two members: no statistic.
with dimensions as (
    select d.dimension
    from (values ('device_type'), ('location')) as d(dimension)
),

conversions as (
    select
        e.dimension,
        e.member,
        e.sessions,
        e.converted_sessions,
        e.design_effect
    from behavior.effects as e
    where e.p_value is not null
),

conversion_totals as (
    select
        c.dimension,
        count(*) as members,
        sum(c.sessions) as n,
        sum(c.converted_sessions) as y
    from conversions as c
    group by c.dimension
),

conversion_sums as (
    select
        c.dimension,
        t.members,
        t.n,
        sum(
            (c.converted_sessions - c.sessions * (t.y::double precision / nullif(t.n, 0)))
            * (c.converted_sessions - c.sessions * (t.y::double precision / nullif(t.n, 0)))
            / nullif(
                c.sessions * (t.y::double precision / nullif(t.n, 0))
                * (1 - t.y::double precision / nullif(t.n, 0)),
                0
            )
            order by c.member
        ) as statistic,
        sum(
            (1 - c.sessions::double precision / nullif(t.n, 0)) * c.design_effect
            order by c.member
        ) / nullif(t.members - 1, 0) as design_effect
    from conversions as c
    inner join conversion_totals as t on c.dimension = t.dimension
    group by c.dimension, t.members, t.n
),

orders as (
    select
        'device_type' as dimension,
        o.device_type as member,
        o.visitor_id,
        o.net_sales
    from behavior.visit_orders as o
    where o.device_type <> 'unknown'
    union all
    select
        'location' as dimension,
        o.location as member,
        o.visitor_id,
        o.net_sales
    from behavior.visit_orders as o
    where o.location <> 'Unknown'
),

large as (
    select
        o.dimension,
        o.member
    from orders as o
    cross join core.parameters as p
    group by o.dimension, o.member, p.min_group_size
    having count(distinct o.visitor_id) >= p.min_group_size
),

ranked as (
    select
        o.dimension,
        o.member,
        o.visitor_id,
        rank() over (partition by o.dimension order by o.net_sales) as first_rank,
        count(*) over (partition by o.dimension, o.net_sales) as ties
    from orders as o
    inner join large as l on o.dimension = l.dimension and o.member = l.member
),

by_visitor as (
    select
        r.dimension,
        r.member,
        count(*) as n,
        sum(2 * r.first_rank + r.ties - 1)::bigint as y,
        sum((2 * r.first_rank + r.ties - 1) * (2 * r.first_rank + r.ties - 1)) as squares,
        sum(r.ties * r.ties - 1) as ties
    from ranked as r
    group by r.dimension, r.member, r.visitor_id
),

ranks as (
    select
        b.dimension,
        b.member,
        sum(b.n) as n,
        sum(b.y) as y,
        sum(b.squares) as squares,
        sum(b.ties) as ties,
        sum(b.y::numeric * b.y) as yy,
        sum(b.y::numeric * b.n) as yn,
        sum(b.n * b.n) as nn
    from by_visitor as b
    group by b.dimension, b.member
),

rank_totals as (
    select
        r.dimension,
        count(*) as members,
        sum(r.n) as n,
        sum(r.ties) as ties
    from ranks as r
    group by r.dimension
),

rank_means as (
    select
        r.dimension,
        r.member,
        t.members,
        t.n as all_n,
        t.ties,
        r.n,
        r.y::double precision / nullif(2 * r.n, 0) - (t.n + 1)::double precision / 2 as distance,
        greatest(
            1,
            coalesce(
                (r.n * r.n * r.yy - 2 * r.n * r.y * r.yn + r.y * r.y * r.nn)::double precision
                / nullif(r.n * (r.n * r.squares - r.y * r.y), 0),
                1
            )
        ) as design_effect
    from ranks as r
    inner join rank_totals as t on r.dimension = t.dimension
),

rank_sums as (
    select
        m.dimension,
        m.members,
        m.all_n as n,
        m.ties,
        sum(m.distance * m.distance * m.n order by m.member) as spread,
        sum((1 - m.n::double precision / nullif(m.all_n, 0)) * m.design_effect order by m.member)
        / nullif(m.members - 1, 0) as design_effect
    from rank_means as m
    group by m.dimension, m.members, m.all_n, m.ties
),

statistics as (
    select
        c.dimension,
        'conversion' as outcome,
        c.members,
        c.n,
        c.statistic,
        greatest(1, c.design_effect) as design_effect,
        sqrt(c.statistic / nullif(c.n, 0)) as effect_size
    from conversion_sums as c
    where c.members > 1
    union all
    select
        r.dimension,
        'order_value' as outcome,
        r.members,
        r.n,
        12 * r.spread / nullif(r.n * (r.n + 1), 0)
        / nullif(1 - r.ties::double precision / nullif(r.n * r.n * r.n - r.n, 0), 0) as statistic,
        greatest(1, r.design_effect) as design_effect,
        12 * r.spread / nullif(r.n * (r.n + 1), 0)
        / nullif(1 - r.ties::double precision / nullif(r.n * r.n * r.n - r.n, 0), 0)
        / nullif(r.n - 1, 0) as effect_size
    from rank_sums as r
    where r.members > 1
),

scores as (
    select
        s.dimension,
        s.outcome,
        case
            when s.members = 2 then sqrt(s.statistic / nullif(s.design_effect, 0))
            else (
                power(s.statistic / nullif(s.design_effect * (s.members - 1), 0), 1::double precision / 3)
                - (1 - 2::double precision / nullif(9 * (s.members - 1), 0))
            ) / nullif(sqrt(2::double precision / nullif(9 * (s.members - 1), 0)), 0)
        end as z,
        case when s.members = 2 then 1 else 0.5::double precision end as sides,
        case
            when s.members = 3
                then exp(greatest(-s.statistic / nullif(2 * s.design_effect, 0), -700))
        end as exact
    from statistics as s
),

chances as (
    select
        s.dimension,
        s.outcome,
        s.z,
        s.sides,
        s.exact,
        abs(s.z) / sqrt(2::double precision) as u,
        1 / nullif(1 + 0.5::double precision * abs(s.z) / sqrt(2::double precision), 0) as t
    from scores as s
),

tails as (
    select
        h.dimension,
        h.outcome,
        h.z,
        h.sides,
        h.exact,
        least(
            1,
            h.t * exp(greatest(
                -h.u * h.u - 1.26551223 + h.t * (1.00002368 + h.t * (0.37409196 + h.t * (0.09678418 + h.t * (
                    -0.18628806 + h.t * (0.27886807 + h.t * (-1.13520398 + h.t * (1.48851587 + h.t * (
                        -0.82215223 + h.t * 0.17087277
                    ))))
                )))),
                -700
            ))
        ) as tail
    from chances as h
    where h.z is not null
),

outcomes as (
    select
        d.dimension,
        o.outcome,
        o.effect_measure
    from dimensions as d
    cross join (
        values ('conversion', 'Cramer''s V'), ('order_value', 'epsilon squared')
    ) as o(outcome, effect_measure)
),

final as (
    select
        o.dimension,
        o.outcome,
        coalesce(s.members, 0) as members,
        coalesce(s.n, 0) as n,
        s.statistic,
        s.members - 1 as degrees_of_freedom,
        s.design_effect,
        coalesce(
            t.exact, case when t.z < 0 and t.sides < 1 then 1 - t.sides * t.tail else t.sides * t.tail end
        ) as p_value,
        o.effect_measure,
        s.effect_size
    from outcomes as o
    left join statistics as s on o.dimension = s.dimension and o.outcome = s.outcome
    left join tails as t on o.dimension = t.dimension and o.outcome = t.outcome
)

select * from final
