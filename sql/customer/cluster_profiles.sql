-- One row per set of features and cluster of customers: its name, how many customers it has, what they spend,
-- and how well they belong together. The name says in which two features the cluster is furthest from the
-- average customer; `customer.cluster_traits` says it of every feature. Money, orders and recency are those of
-- `customer.rfm`, in both sets, so that the sets can be compared; shares are of all customers of the set.
with centroids as (
    select
        c.feature_set,
        c.cluster,
        c.cluster_name,
        c.is_continued,
        c.is_fallback
    from customer.cluster_centroids as c
    where c.feature_order = 1
),

members as (
    select
        c.feature_set,
        c.customer_id,
        c.cluster,
        c.distance_to_centroid,
        c.silhouette
    from customer.clusters as c
),

features as (
    select
        f.customer_id,
        f.recency_days,
        f.frequency,
        f.monetary
    from customer.cluster_features as f
),

grouped as (
    select
        m.feature_set,
        m.cluster,
        count(*) as customers,
        sum(f.monetary) as net_sales,
        sum(f.frequency) as orders,
        sum(f.recency_days) as recency_days,
        percentile_cont(0.5) within group (order by f.recency_days::double precision) as median_recency_days,
        percentile_cont(0.5) within group (order by f.frequency::double precision) as median_frequency,
        percentile_cont(0.5) within group (order by f.monetary::double precision) as median_monetary,
        avg(m.distance_to_centroid order by m.customer_id) as mean_distance,
        avg(m.silhouette order by m.customer_id) as mean_silhouette
    from members as m
    inner join features as f on m.customer_id = f.customer_id
    group by m.feature_set, m.cluster
),

final as (
    select
        c.feature_set,
        c.cluster,
        c.cluster_name,
        coalesce(g.customers, 0) as customers,
        coalesce(g.customers, 0)::double precision
        / nullif(sum(g.customers) over (partition by c.feature_set), 0) as customer_share,
        coalesce(g.orders, 0) as orders,
        coalesce(g.net_sales, 0) as net_sales,
        coalesce(g.net_sales, 0)::double precision
        / nullif(sum(g.net_sales) over (partition by c.feature_set), 0) as net_sales_share,
        g.recency_days::double precision / nullif(g.customers, 0) as mean_recency_days,
        g.median_recency_days,
        g.orders::double precision / nullif(g.customers, 0) as mean_frequency,
        g.median_frequency,
        g.net_sales / nullif(g.customers, 0) as mean_monetary,
        g.median_monetary::numeric(18, 4) as median_monetary,
        g.mean_distance,
        g.mean_silhouette,
        c.is_continued,
        c.is_fallback,
        coalesce(g.customers, 0) < p.min_group_size as low_n,
        k.currency
    from centroids as c
    cross join core.parameters as p
    cross join core.clock as k
    left join grouped as g on c.feature_set = g.feature_set and c.cluster = g.cluster
)

select * from final
