-- One row per breakdown and member: orders with and without discount, by depth, and by the habit of their
-- customer. `discount`: orders with and without; `depth`: how much of the list value was taken off; `habit`:
-- customers with three or more orders who buy on discount only (at least 90 % of their orders), never, or
-- sometimes. The orders with a discount and those of each depth are compared with the orders without:
-- difference of the median order values with its 95 % interval (Price and Bonett), the probability that one
-- of them is worth more, and the p-value of Mann and Whitney for that; `standardised_aov` is the average as
-- if both had the mix of main categories of all orders. This describes and proves no effect: large baskets
-- earn discounts, and discounts make large baskets.
with clock as (
    select
        c.as_of_date,
        c.currency,
        p.min_group_size,
        1.959964::double precision as z
    from core.clock as c
    cross join core.parameters as p
),

orders as (
    select
        o.order_id,
        o.customer_id,
        o.is_first_order,
        o.units,
        o.gross_sales,
        o.discounts,
        o.order_value,
        o.order_net_value,
        t.main_category,
        t.is_discounted,
        t.discount_depth_band
    from core.orders as o
    inner join kpi.order_traits as t on o.order_id = t.order_id
),

customers as (
    select
        o.customer_id,
        count(*) as orders,
        count(*) filter (where o.is_discounted) as discounted_orders
    from orders as o
    where o.customer_id is not null
    group by o.customer_id
),

habits as (
    select
        c.customer_id,
        case
            when c.orders < 3 then 'fewer than 3 orders'
            when c.discounted_orders * 10 >= c.orders * 9 then 'only on discount'
            when c.discounted_orders = 0 then 'never on discount'
            else 'sometimes on discount'
        end as habit
    from customers as c
),

names as (
    select 'discount' as breakdown, 'without discount' as member, 1 as sort_order
    union all
    select 'discount' as breakdown, 'with discount' as member, 2 as sort_order
    union all
    select 'depth' as breakdown, 'none' as member, 3 as sort_order
    union all
    select 'depth' as breakdown, 'up to 10 %' as member, 4 as sort_order
    union all
    select 'depth' as breakdown, 'up to 20 %' as member, 5 as sort_order
    union all
    select 'depth' as breakdown, 'up to 30 %' as member, 6 as sort_order
    union all
    select 'depth' as breakdown, 'over 30 %' as member, 7 as sort_order
    union all
    select 'depth' as breakdown, 'unknown' as member, 8 as sort_order
    union all
    select 'habit' as breakdown, 'only on discount' as member, 9 as sort_order
    union all
    select 'habit' as breakdown, 'sometimes on discount' as member, 10 as sort_order
    union all
    select 'habit' as breakdown, 'never on discount' as member, 11 as sort_order
    union all
    select 'habit' as breakdown, 'fewer than 3 orders' as member, 12 as sort_order
    union all
    select 'habit' as breakdown, 'Guest' as member, 13 as sort_order
),

grouped as (
    select 'discount' as breakdown,
        case when o.is_discounted then 'with discount' else 'without discount' end as member,
        o.order_id
    from orders as o
    union all
    select 'depth' as breakdown, o.discount_depth_band as member, o.order_id
    from orders as o
    union all
    select 'habit' as breakdown, coalesce(h.habit, 'Guest') as member, o.order_id
    from orders as o
    left join habits as h on o.customer_id = h.customer_id
),

sums as (
    select
        g.breakdown,
        g.member,
        count(*) as orders,
        count(distinct o.customer_id) as customers,
        count(*) filter (where o.is_first_order) as first_orders,
        sum(o.units) as units,
        sum(o.gross_sales) as gross_sales,
        sum(o.discounts) as discounts,
        sum(o.order_value) as ordered_value,
        sum(o.order_net_value) as ordered_net_value,
        percentile_cont(0.5) within group (order by o.order_value::double precision) as median_order_value
    from grouped as g
    inner join orders as o on g.order_id = o.order_id
    group by g.breakdown, g.member
),

-- Comparison with the orders without discount.
reference as (
    select
        o.order_id,
        o.order_value,
        o.main_category
    from orders as o
    where not o.is_discounted
),

compared as (
    select
        g.breakdown,
        g.member,
        g.order_id,
        o.order_value,
        o.main_category
    from grouped as g
    inner join orders as o on g.order_id = o.order_id
    where g.breakdown in ('discount', 'depth') and g.member not in ('without discount', 'none')
),

reference_values as (
    select
        o.order_value,
        count(r.order_id) as here,
        sum(count(r.order_id)) over (order by o.order_value rows unbounded preceding) - count(r.order_id)
            as below
    from orders as o
    left join reference as r on o.order_id = r.order_id
    group by o.order_value
),

reference_ties as (
    select
        sum(v.here) as n,
        sum(v.here::numeric(38, 0) * v.here * v.here - v.here) as ties
    from reference_values as v
),

compared_values as (
    select
        c.breakdown,
        c.member,
        c.order_value,
        count(*) as here
    from compared as c
    group by c.breakdown, c.member, c.order_value
),

ranked as (
    select
        c.breakdown,
        c.member,
        sum(c.here) as n,
        sum(c.here * (v.below * 2 + v.here)) as doubled_u,
        sum(
            (c.here + v.here)::numeric(38, 0) * (c.here + v.here) * (c.here + v.here) - (c.here + v.here)
            - (v.here::numeric(38, 0) * v.here * v.here - v.here)
        ) as more_ties
    from compared_values as c
    inner join reference_values as v on c.order_value = v.order_value
    group by c.breakdown, c.member
),

tested as (
    select
        r.breakdown,
        r.member,
        r.doubled_u::double precision / nullif(2 * r.n * t.n, 0)::double precision as probability_of_more,
        greatest(abs(r.doubled_u - r.n * t.n)::double precision / 2 - 0.5, 0)
        / nullif(
            sqrt(
                r.n::double precision * t.n / 12
                * (r.n + t.n + 1 - (t.ties + r.more_ties)::double precision
                / nullif((r.n + t.n)::double precision * (r.n + t.n - 1), 0))
            ),
            0
        ) as z
    from ranked as r
    cross join reference_ties as t
    where r.n >= 8 and t.n >= 8
),

tails as (
    select
        t.breakdown,
        t.member,
        t.probability_of_more,
        t.z / sqrt(2::double precision) as u,
        1 / nullif(1 + t.z / sqrt(2::double precision) / 2, 0) as t
    from tested as t
),

-- The normal tail by Chebyshev's fit of erfc (Press et al., Numerical Recipes; relative error below 1.2e-7).
p_values as (
    select
        t.breakdown,
        t.member,
        t.probability_of_more,
        t.t * exp(
            greatest(
                -t.u * t.u - 1.26551223 + t.t * (1.00002368 + t.t * (0.37409196 + t.t * (0.09678418 + t.t * (
                -0.18628806 + t.t * (0.27886807 + t.t * (-1.13520398 + t.t * (1.48851587 + t.t * (
                -0.82215223 + t.t * 0.17087277)))))))),
                -700
            )
        ) as p_value
    from tails as t
),

ordered_p_values as (
    select
        p.breakdown,
        p.member,
        p.probability_of_more,
        p.p_value,
        p.p_value * count(p.p_value) over ()
        / nullif(row_number() over (order by p.p_value nulls last, p.breakdown, p.member), 0) as adjusted
    from p_values as p
),

q_values as (
    select
        p.breakdown,
        p.member,
        p.probability_of_more,
        p.p_value,
        -- Rounding could put it a last digit below the p-value; without one there is none.
        case
            when p.p_value is not null
                then greatest(
                    p.p_value,
                    least(
                        min(p.adjusted) over (
                            order by p.p_value desc nulls first, p.breakdown desc, p.member desc
                            rows unbounded preceding
                        ),
                        1
                    )
                )
        end as q_value
    from ordered_p_values as p
),

-- Interval of a median from two order statistics (Price and Bonett 2001), and of a difference of two (2002).
placed as (
    select
        c.breakdown,
        c.member,
        c.order_value,
        row_number() over (partition by c.breakdown, c.member order by c.order_value, c.order_id) as place,
        count(*) over (partition by c.breakdown, c.member) as n
    from compared as c
    union all
    select
        'reference' as breakdown,
        'reference' as member,
        r.order_value,
        row_number() over (order by r.order_value, r.order_id) as place,
        count(*) over () as n
    from reference as r
),

bounds as (
    select
        p.breakdown,
        p.member,
        p.order_value,
        p.place,
        p.n,
        greatest(
            round(
                ((p.n + 1)::double precision / 2 - sqrt(p.n::double precision))::numeric(18, 6), 0
            )::bigint,
            1
        ) as low_place
    from placed as p
    where p.n >= 5
),

medians as (
    select
        b.breakdown,
        b.member,
        percentile_cont(0.5) within group (order by b.order_value::double precision) as median_order_value,
        (max(b.order_value) filter (where b.place = b.n - b.low_place + 1)
        - max(b.order_value) filter (where b.place = b.low_place))::double precision
        * sqrt(b.n::double precision)
        / nullif(2 * (b.n - 2 * b.low_place + 1), 0)::double precision as deviation
    from bounds as b
    group by b.breakdown, b.member, b.n, b.low_place
),

shifts as (
    select
        m.breakdown,
        m.member,
        m.median_order_value - r.median_order_value as median_difference,
        c.z * sqrt(m.deviation * m.deviation + r.deviation * r.deviation) as half_width
    from medians as m
    inner join medians as r on r.breakdown = 'reference' and m.breakdown <> 'reference'
    cross join clock as c
),

-- Averages at the mix of main categories of all orders, over the categories that both sides have.
mix as (
    select
        o.main_category,
        count(*) as orders,
        count(*) filter (where not o.is_discounted) as reference_orders,
        sum(o.order_value) filter (where not o.is_discounted) as reference_value
    from orders as o
    group by o.main_category
),

mixed as (
    select
        c.breakdown,
        c.member,
        c.main_category,
        count(*) as orders,
        sum(c.order_value) as order_value
    from compared as c
    group by c.breakdown, c.member, c.main_category
),

standardised as (
    select
        c.breakdown,
        c.member,
        sum(m.orders)::bigint as standard_orders,
        sum(
            m.orders * c.order_value::double precision / nullif(c.orders, 0)
            order by c.main_category
        ) / nullif(sum(m.orders), 0)::double precision as standardised_aov,
        sum(
            m.orders * m.reference_value::double precision / nullif(m.reference_orders, 0)
            order by c.main_category
        ) / nullif(sum(m.orders), 0)::double precision as standardised_aov_without
    from mixed as c
    inner join mix as m on c.main_category = m.main_category and m.reference_orders > 0
    group by c.breakdown, c.member
),

totals as (
    select
        count(*) as orders,
        count(distinct o.customer_id) as customers
    from orders as o
),

final as (
    select
        n.breakdown,
        n.member,
        n.sort_order,
        coalesce(s.orders, 0) as orders,
        coalesce(s.orders, 0)::double precision / nullif(t.orders, 0) as order_share,
        coalesce(s.customers, 0) as customers,
        coalesce(s.customers, 0)::double precision / nullif(t.customers, 0) as customer_share,
        coalesce(s.first_orders, 0) as first_orders,
        coalesce(s.units, 0) as units,
        s.units::double precision / nullif(s.orders, 0) as units_per_order,
        coalesce(s.gross_sales, 0) as gross_sales,
        coalesce(s.discounts, 0) as discounts,
        s.discounts::double precision / nullif(s.gross_sales, 0) as discount_rate,
        coalesce(s.ordered_value, 0) as ordered_value,
        (s.ordered_value / nullif(s.orders, 0))::numeric(18, 4) as aov,
        coalesce(s.ordered_net_value, 0) as ordered_net_value,
        (s.ordered_net_value / nullif(s.orders, 0))::numeric(18, 4) as aov_net,
        s.median_order_value::numeric(18, 4) as median_order_value,
        h.median_difference::numeric(18, 4) as median_difference,
        (h.median_difference - h.half_width)::numeric(18, 4) as median_difference_low,
        (h.median_difference + h.half_width)::numeric(18, 4) as median_difference_high,
        q.probability_of_more,
        q.p_value,
        q.q_value,
        d.standard_orders,
        d.standardised_aov::numeric(18, 4) as standardised_aov,
        d.standardised_aov_without::numeric(18, 4) as standardised_aov_without,
        coalesce(s.orders, 0) < c.min_group_size as low_n,
        c.currency
    from names as n
    cross join totals as t
    cross join clock as c
    left join sums as s on n.breakdown = s.breakdown and n.member = s.member
    left join q_values as q on n.breakdown = q.breakdown and n.member = q.member
    left join shifts as h on n.breakdown = h.breakdown and n.member = h.member
    left join standardised as d on n.breakdown = d.breakdown and n.member = d.member
    where t.orders > 0
)

select * from final
