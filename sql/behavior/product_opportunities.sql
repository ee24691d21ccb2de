-- One row per product and reason for looking at it:
-- what to change on the page, in the shop or in the stock. All figures are of the last 28 days.
-- `viewed_not_bought`: among the most viewed quarter of its category, and the upper end of the interval of
-- its view-to-purchase rate lies below the median of the category's products with enough viewers
-- (`benchmark`). `carted_not_bought`: the same from cart to purchase. `demand_exceeds_stock`: the stock lasts
-- less than 14 days at the mean daily net sale in units. `stock_without_demand`: there is stock, and not one
-- unit was sold in 60 days. `rising`: the score of behavior.product_popularity more than doubled, with 10
-- units or more. `estimated_lost_sales` is what the gap to the benchmark is worth at the list price (for
-- demand_exceeds_stock, what the stock lacks for 14 days). Without delivered stock the two reasons of stock
-- do not occur; products that are no longer active stand here for their stock alone.
with clock as (
    select
        c.as_of_date,
        c.first_sale_date,
        c.currency,
        p.min_group_size,
        28 as demand_days,
        14 as cover_days,
        60 as idle_days,
        1 as rising_trend,
        10 as rising_units,
        1.959964::double precision as z
    from core.clock as c
    cross join core.parameters as p
),

goods as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.price,
        p.stock_quantity,
        p.is_active
    from core.products as p
    where p.product_type = 'goods'
),

conversion as (
    select
        c.product_id,
        c.category,
        c.viewers,
        c.cart_adders,
        c.cart_buyers,
        c.view_to_purchase_rate,
        c.cart_to_purchase_rate,
        c.ci_high,
        c.viewers >= k.min_group_size as has_viewers,
        c.cart_adders >= k.min_group_size as has_cart_adders
    from behavior.product_conversion as c
    cross join clock as k
    where c.scope = 'product' and c.period_name = 'last 28 days'
),

popularity as (
    select
        p.product_id,
        p.units,
        p.trend
    from behavior.product_popularity as p
    where p.period_name = 'last 28 days'
),

sales as (
    select
        s.product_id,
        sum(s.quantity) filter (where s.sold_date > c.as_of_date - c.demand_days) as net_units,
        sum(s.quantity) filter (where s.line_type = 'sale') as sold_units
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.sold_date <= c.as_of_date and s.sold_date > c.as_of_date - c.idle_days
    group by s.product_id
),

shelves as (
    select
        c.category,
        percentile_cont(0.75) within group (order by c.viewers::double precision) as viewers_p75,
        percentile_cont(0.5) within group (order by c.view_to_purchase_rate) filter (where c.has_viewers)
            as viewed_benchmark,
        percentile_cont(0.75) within group (order by c.cart_adders::double precision)
            filter (where c.cart_adders > 0) as cart_adders_p75,
        percentile_cont(0.5) within group (order by c.cart_to_purchase_rate) filter (where c.has_cart_adders)
            as carted_benchmark
    from conversion as c
    group by c.category
),

figures as (
    select
        g.product_id,
        g.product_name,
        g.category,
        g.price,
        g.stock_quantity,
        g.is_active,
        coalesce(c.viewers, 0) as viewers,
        coalesce(c.cart_adders, 0) as cart_adders,
        c.view_to_purchase_rate,
        c.cart_to_purchase_rate,
        c.ci_high as viewed_ci_high,
        (
            c.cart_buyers + k.z * k.z / 2 + k.z * sqrt(
                c.cart_buyers::double precision * (c.cart_adders - c.cart_buyers) / nullif(c.cart_adders, 0)
                + k.z * k.z / 4
            )
        ) / nullif(nullif(c.cart_adders, 0) + k.z * k.z, 0) as carted_ci_high,
        h.viewers_p75,
        h.viewed_benchmark,
        h.cart_adders_p75,
        h.carted_benchmark,
        coalesce(s.net_units, 0) as net_units,
        coalesce(s.sold_units, 0) as sold_units,
        (g.stock_quantity * k.demand_days)::double precision / nullif(greatest(s.net_units, 0), 0)
            as days_of_cover,
        coalesce(p.units, 0) as units,
        p.trend
    from goods as g
    cross join clock as k
    left join conversion as c on g.product_id = c.product_id
    left join shelves as h on g.category = h.category
    left join sales as s on g.product_id = s.product_id
    left join popularity as p on g.product_id = p.product_id
),

found as (
    select
        f.product_id,
        'viewed_not_bought' as reason,
        f.view_to_purchase_rate as conversion,
        f.viewed_ci_high as conversion_ci_high,
        f.viewed_benchmark as benchmark,
        f.viewers * (f.viewed_benchmark - f.view_to_purchase_rate) * f.price::double precision
            as estimated_lost_sales
    from figures as f
    where f.is_active and f.viewers >= f.viewers_p75 and f.viewed_ci_high < f.viewed_benchmark
    union all
    select
        f.product_id,
        'carted_not_bought' as reason,
        f.cart_to_purchase_rate as conversion,
        f.carted_ci_high as conversion_ci_high,
        f.carted_benchmark as benchmark,
        f.cart_adders * (f.carted_benchmark - f.cart_to_purchase_rate) * f.price::double precision
            as estimated_lost_sales
    from figures as f
    where f.is_active and f.cart_adders >= f.cart_adders_p75 and f.carted_ci_high < f.carted_benchmark
    union all
    select
        f.product_id,
        'demand_exceeds_stock' as reason,
        null as conversion,
        null as conversion_ci_high,
        null as benchmark,
        (f.net_units * c.cover_days / nullif(c.demand_days, 0) - f.stock_quantity)::double precision
        * f.price::double precision as estimated_lost_sales
    from figures as f
    cross join clock as c
    where f.is_active and f.days_of_cover < c.cover_days
    union all
    select
        f.product_id,
        'stock_without_demand' as reason,
        null as conversion,
        null as conversion_ci_high,
        null as benchmark,
        null as estimated_lost_sales
    from figures as f
    cross join clock as c
    where f.stock_quantity > 0 and f.sold_units = 0 and c.first_sale_date <= c.as_of_date - c.idle_days + 1
    union all
    select
        f.product_id,
        'rising' as reason,
        null as conversion,
        null as conversion_ci_high,
        null as benchmark,
        null as estimated_lost_sales
    from figures as f
    cross join clock as c
    where f.is_active and f.trend > c.rising_trend and f.units >= c.rising_units
),

priced as (
    select
        f.product_id,
        f.reason,
        f.conversion,
        f.conversion_ci_high,
        f.benchmark,
        greatest(f.estimated_lost_sales, 0)::numeric(18, 4) as amount,
        f.estimated_lost_sales is not null as has_amount
    from found as f
),

ranked as (
    select
        p.product_id,
        p.reason,
        p.conversion,
        p.conversion_ci_high,
        p.benchmark,
        case when p.has_amount then p.amount end as estimated_lost_sales,
        row_number() over (order by p.has_amount desc, p.amount desc, p.reason, p.product_id) as rank
    from priced as p
),

final as (
    select
        r.product_id,
        r.reason,
        r.rank,
        f.product_name,
        f.category,
        f.is_active,
        f.viewers,
        f.cart_adders,
        r.conversion,
        r.conversion_ci_high,
        r.benchmark,
        f.net_units,
        f.stock_quantity,
        f.days_of_cover,
        f.trend,
        f.price,
        r.estimated_lost_sales,
        c.currency
    from ranked as r
    cross join clock as c
    inner join figures as f on r.product_id = f.product_id
)

select * from final
