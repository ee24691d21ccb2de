-- One row per breakdown (all, month, season or category of the product) and member: the key figures of
-- purchasing. Money and units stand where their line does, returns in the month of the return; an order
-- counts in every member of which it has a sale line, so `orders` and `customers` must not be added up. The
-- customer is that of the order. Repeat customers have two or more orders within the row: of a category,
-- those who bought of it twice. Ratings are those of sale lines. Subscribers are counted among the customers
-- of whom it is known.
with clock as (
    select
        c.as_of_date,
        c.currency,
        p.min_group_size
    from core.clock as c
    cross join core.parameters as p
),

months as (
    select
        m.period_name,
        m.is_complete
    from kpi.monthly as m
),

customers as (
    select
        c.customer_id,
        c.subscription_status
    from core.customers as c
),

orders as (
    select
        o.order_id,
        o.customer_id
    from core.orders as o
),

products as (
    select
        p.product_id,
        p.category,
        coalesce(p.season, 'Unknown') as season
    from core.products as p
),

lines as (
    select
        s.sold_month,
        p.season,
        p.category,
        case when s.line_type = 'sale' then s.order_id end as order_id,
        s.quantity,
        s.gross_sales,
        s.discounts,
        s.returns,
        s.net_sales,
        s.review_rating,
        s.discounts > 0 or s.discount_unknown as is_discounted
    from core.sales as s
    cross join clock as c
    inner join products as p on s.product_id = p.product_id
    where s.is_valid and s.sold_date <= c.as_of_date
),

summed as (
    select
        l.sold_month,
        l.season,
        l.category,
        l.order_id,
        bool_or(l.is_discounted) as is_discounted,
        coalesce(sum(l.quantity) filter (where l.order_id is not null), 0) as units,
        sum(l.gross_sales) as gross_sales,
        sum(l.discounts) as discounts,
        sum(l.returns) as returns,
        sum(l.net_sales) as net_sales,
        count(l.review_rating) filter (where l.order_id is not null) as ratings,
        coalesce(sum(l.review_rating) filter (where l.order_id is not null), 0) as rating_sum
    from lines as l
    group by l.sold_month, l.season, l.category, l.order_id
),

sums as (
    select
        case
            when grouping(s.sold_month) = 0 then 'month'
            when grouping(s.season) = 0 then 'season'
            when grouping(s.category) = 0 then 'category'
            else 'all'
        end as breakdown,
        coalesce(to_char(s.sold_month, 'YYYY-MM'), s.season, s.category, 'all') as member,
        sum(s.units) as units,
        sum(s.gross_sales) as gross_sales,
        sum(s.discounts) as discounts,
        sum(s.returns) as returns,
        sum(s.net_sales) as net_sales,
        sum(s.ratings)::bigint as ratings,
        sum(s.rating_sum) as rating_sum
    from summed as s
    group by grouping sets ((), (s.sold_month), (s.season), (s.category))
),

ordered as (
    select 'all' as breakdown, 'all' as member, s.order_id, bool_or(s.is_discounted) as is_discounted
    from summed as s
    where s.order_id is not null
    group by s.order_id
    union all
    select 'month' as breakdown, to_char(s.sold_month, 'YYYY-MM') as member, s.order_id,
        bool_or(s.is_discounted) as is_discounted
    from summed as s
    where s.order_id is not null
    group by to_char(s.sold_month, 'YYYY-MM'), s.order_id
    union all
    select 'season' as breakdown, s.season as member, s.order_id, bool_or(s.is_discounted) as is_discounted
    from summed as s
    where s.order_id is not null
    group by s.season, s.order_id
    union all
    select 'category' as breakdown, s.category as member, s.order_id,
        bool_or(s.is_discounted) as is_discounted
    from summed as s
    where s.order_id is not null
    group by s.category, s.order_id
),

by_customer as (
    select
        r.breakdown,
        r.member,
        o.customer_id,
        count(*) as orders,
        count(*) filter (where r.is_discounted) as discounted_orders
    from ordered as r
    inner join orders as o on r.order_id = o.order_id
    group by r.breakdown, r.member, o.customer_id
),

counts as (
    select
        b.breakdown,
        b.member,
        sum(b.orders)::bigint as orders,
        sum(b.discounted_orders)::bigint as discounted_orders,
        count(b.customer_id) as customers,
        count(b.customer_id) filter (where b.orders >= 2) as repeat_customers,
        count(c.subscription_status) as customers_of_known_subscription,
        count(c.customer_id) filter (where c.subscription_status) as subscribers
    from by_customer as b
    left join customers as c on b.customer_id = c.customer_id
    group by b.breakdown, b.member
),

final as (
    select
        s.breakdown,
        s.member,
        coalesce(m.is_complete, true) as is_complete,
        coalesce(n.orders, 0) as orders,
        coalesce(n.customers, 0) as customers,
        s.units,
        s.gross_sales,
        s.discounts,
        s.returns,
        s.net_sales,
        ((s.gross_sales - s.discounts) / nullif(n.orders, 0))::numeric(18, 4) as aov,
        s.units::double precision / nullif(n.orders, 0) as units_per_order,
        coalesce(n.repeat_customers, 0) as repeat_customers,
        n.repeat_customers::double precision / nullif(n.customers, 0) as repeat_rate,
        s.ratings,
        s.rating_sum::double precision / nullif(s.ratings, 0) as rating_average,
        coalesce(n.subscribers, 0) as subscribers,
        coalesce(n.customers_of_known_subscription, 0) as customers_of_known_subscription,
        n.subscribers::double precision / nullif(n.customers_of_known_subscription, 0) as subscriber_share,
        coalesce(n.discounted_orders, 0) as discounted_orders,
        n.discounted_orders::double precision / nullif(n.orders, 0) as discounted_order_share,
        coalesce(n.orders, 0) < c.min_group_size as low_n,
        c.currency
    from sums as s
    cross join clock as c
    left join counts as n on s.breakdown = n.breakdown and s.member = n.member
    left join months as m on s.breakdown = 'month' and s.member = m.period_name
    where s.net_sales is not null
)

select * from final
